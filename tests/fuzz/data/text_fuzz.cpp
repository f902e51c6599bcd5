// Text as files hold it: plain, JSONL, gzip, zstd. The first byte chooses the rule of documents and the file's name.

#include <zlib.h>
#include <zstd.h>

#include "data/shards/corpus_scan.h"
#include "data/support.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr const char* kNames[] = {"input.txt", "input.jsonl", "input"};
constexpr const char* kRules[] = {"file", "line", "blank_line"};

std::string gzip(const std::string& text) {
  std::string packed(text.size() + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  const std::string text = "one line\n\ntwo \xc3\xa9\xe2\x82\xac\r\n\r\n\xf0\x9f\x98\x80 three\n";
  const std::string lines = "{\"text\": \"a\\u00e9\\n\", \"id\": [1, {}]}\n\n{\"text\": \"b\"}\n";
  std::vector<std::string> out;
  for (const char first : {'\0', '\1', '\2', '\3', '\4', '\5', '\6', '\7', '\10'}) {
    for (const std::string& form : {text, gzip(text), zstd(text), lines}) out.push_back(first + form);
  }
  return out;
}

std::vector<std::string> fuzz::words() {
  return {"{\"text\": \"", "\"}\n", "\n",      "\n\n",     "\r\n", "\xef\xbb\xbf",
          "\xff\xfe",      "\xc3",  "\\ud83d", "{\"a\":[", "[",    std::string("\x50\x2a\x4d\x18\4\0\0\0abcd", 12)};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  if (size == 0) return 0;
  const std::string name = kNames[data[0] % 3], rule = kRules[data[0] / 3 % 3];
  const fs::path path = fuzz::write(name, fuzz::text_of(data + 1, size - 1));
  fuzz::accepts(ExitCode::kData, [&] {
    const DataConfig config =
        data_config("{tokenizer: bytes, seq_len: 8, train: {paths: [" + path.string() + "], documents: " + rule + "}}");
    const Corpus corpus = Corpus::find(config.train);
    make_tokenizer(tokenizer_variant("characters"), {corpus}, 0, {});
    single_document_split(corpus, 0.5);
  });
  return 0;
}
