// Megatron's .idx beside a .bin that fits what it says, so that damage inside the index gets past the check of sizes.

#include <algorithm>
#include <cstring>

#include "data/shards/manifest.h"
#include "data/shards/megatron.h"
#include "data/shards/token_stream.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr std::int64_t kVocabSize = 300;
constexpr std::int64_t kMostBytes = 1 << 20;

std::string index_of(const std::vector<std::vector<TokenId>>& documents, std::int64_t vocab_size) {
  MegatronWriter writer(fuzz::folder(), "seed", vocab_size);
  for (const auto& document : documents) {
    writer.append(document);
    writer.end_document();
  }
  writer.finish();
  return read_file(fuzz::folder() / "seed.idx");
}

template <class T>
T number_at(const std::string& bytes, std::size_t offset) {
  T value{};
  if (offset <= bytes.size() && bytes.size() - offset >= sizeof value)
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// Bytes of ids that the index's last sequence ends with, or any number.
std::int64_t bytes_of(const std::string& index) {
  const auto code = number_at<std::uint8_t>(index, 17);
  const auto sequences = number_at<std::uint64_t>(index, 18);
  if (sequences == 0 || sequences > index.size()) return 0;
  const std::int64_t size = code == 4 ? 4 : code == 5 ? 8 : code == 3 || code == 8 ? 2 : 1;
  const std::int64_t bytes = number_at<std::int64_t>(index, 34 + 4 * sequences + 8 * (sequences - 1)) +
                             size * number_at<std::int32_t>(index, 34 + 4 * (sequences - 1));
  return bytes < 0 || bytes > kMostBytes ? 0 : bytes;
}

void use(const TokenStream& stream) {
  const std::int64_t tokens = stream.tokens();
  for (const std::int64_t width : {tokens, std::int64_t{3}}) {
    for (std::int64_t first = 0; first < std::min<std::int64_t>(tokens, 30); first += width) {
      const std::int64_t end = std::min(first + width, tokens);
      std::int64_t previous = first - 1;
      for (const std::int64_t start : stream.document_starts(first, end)) {
        fuzz::require(start > previous && start < end, "starts of documents ascend within what was asked for");
        previous = start;
      }
    }
  }
  std::vector<TokenId> ids(static_cast<std::size_t>(tokens));
  stream.read(0, tokens, ids.data());
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {index_of({{1, 2, 3}, {4}, {}, {5, 6}, {7, 8, 9, 10}}, kVocabSize), index_of({{1, 2, 3}, {4, 5}}, 70000),
          index_of({{1}}, kVocabSize)};
}

std::vector<std::string> fuzz::words() { return {"MMIDIDX", std::string(8, '\0'), std::string(8, '\xff')}; }

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  const std::string index = fuzz::text_of(data, size);
  const fs::path path = fuzz::write("input.idx", index);
  fs::resize_file(fuzz::write("input.bin", ""), static_cast<std::uintmax_t>(bytes_of(index)));
  // As prepared data is used: what a manifest vouched for is not checked again as a whole.
  fuzz::accepts(ExitCode::kData, [&] {
    std::vector<std::unique_ptr<TokenShard>> shards;
    shards.push_back(open_megatron(path));
    use(TokenStream(std::move(shards), kVocabSize, 1));
  });
  const bool whole = fuzz::accepts(ExitCode::kData, [&] { open_megatron(path)->check_index(); });
  if (whole) fuzz::accepts(ExitCode::kData, [&] { record_shard(path, ".", ShardKind::kMegatron, kVocabSize, {}); });
  return 0;
}
