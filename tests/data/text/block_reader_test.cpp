#include "data/text/block_reader.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/random.h"
#include "data/support.h"
#include "data/text/document_text.h"
#include "data/text/text_kind.h"
#include "data/text/utf8.h"

namespace ingot {
namespace {

DocumentRule rule_of(DocumentRule::Kind kind, std::string separator = "") { return {kind, std::move(separator)}; }
const DocumentRule kFile = rule_of(DocumentRule::Kind::kFile);
const DocumentRule kLine = rule_of(DocumentRule::Kind::kLine);
const DocumentRule kBlankLine = rule_of(DocumentRule::Kind::kBlankLine);

CorpusConfig corpus(const std::vector<fs::path>& paths, const DocumentRule& documents = kFile) {
  CorpusConfig config;
  for (const fs::path& path : paths) config.paths.push_back(path.string());
  config.documents = documents;
  return config;
}

/// The documents of segments, joined over blocks.
std::vector<std::string> read_segments(const std::vector<Segment>& segments, const CorpusConfig& config,
                                       ReadPosition start = {}, std::optional<std::int64_t> split = std::nullopt) {
  std::vector<std::string> documents;
  bool is_open = false;
  BlockReader reader(segments, config.documents, start);
  if (split) reader.split_at(*split);
  for (TextBlock block; reader.next(block);) {
    for_each_document(block, segments[block.segment], config.documents, config.text_key, [&](const DocumentPart& part) {
      if (part.begins) documents.emplace_back();
      EXPECT_EQ(part.begins, !is_open);
      documents.back() += part.text;
      is_open = !part.ends;
    });
  }
  EXPECT_FALSE(is_open);
  return documents;
}

std::vector<std::string> read_all(const CorpusConfig& config) { return read_segments(find_segments(config), config); }

std::string gzip(const std::string& bytes) {
  std::string packed(compressBound(bytes.size()) + 64, '\0');
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  packed.resize(z.total_out);
  deflateEnd(&z);
  return packed;
}

std::string zstd(const std::string& bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 3));
  return packed;
}

using Texts = std::vector<std::string>;

TEST(Documents, AFileIsOneDocumentAsItIs) {
  const TemporaryFolder folder;
  const std::string text = " one\n\n two \r\n";
  EXPECT_EQ(read_all(corpus({folder.write("a.txt", text)})), Texts{text});
  EXPECT_EQ(read_all(corpus({folder.write("bom.txt", "\xEF\xBB\xBFx")})), Texts{"x"});
}

TEST(Documents, LinesLoseTheirEndAndEmptyOnesVanish) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_all(corpus({folder.write("a.txt", "one\n\n two\r\n   \nthree")}, kLine)),
            (Texts{"one", " two", "three"}));
}

TEST(Documents, BlankLinesSeparate) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_all(corpus({folder.write("a.txt", "\n\none\n 1\n\n\ntwo\n \t\n  three\nmore\n")}, kBlankLine)),
            (Texts{"one\n 1", "two", "  three\nmore"}));
  EXPECT_EQ(read_all(corpus({folder.write("b.txt", "one\r\n\r\ntwo\r\n")}, kBlankLine)), (Texts{"one", "two"}));
}

TEST(Documents, ASeparatorBelongsToNone) {
  const TemporaryFolder folder;
  const DocumentRule rule = rule_of(DocumentRule::Kind::kSeparator, "<|end|>");
  EXPECT_EQ(read_all(corpus({folder.write("a.txt", "<|end|>one\n<|end|>two<|en|><|end|>\n")}, rule)),
            (Texts{"one\n", "two<|en|>"}));
}

TEST(Documents, ANewlineInASeparatorStandsForBothFormsOfALinesEnd) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& text, const std::string& separator) {
    return read_all(corpus({folder.write("a.txt", text)}, rule_of(DocumentRule::Kind::kSeparator, separator)));
  };
  EXPECT_EQ(read("one\n1\n\ntwo\n\n", "\n\n"), (Texts{"one\n1", "two"}));
  EXPECT_EQ(read("one\r\n1\r\n\r\ntwo\r\n\r\n", "\n\n"), (Texts{"one\r\n1", "two"}));
  EXPECT_EQ(read("one\r\n---\r\ntwo --- \n---\nthree", "\n---\n"), (Texts{"one", "two --- ", "three"}));
  EXPECT_EQ(read("one#\r\ntwo#\nthree#", "#\n"), (Texts{"one", "two", "three#"}));
  EXPECT_EQ(read("one\r\n\r\ntwo\n\nthree", "\r\n\r\n"), (Texts{"one", "two\n\nthree"}));
  // Over many blocks, whatever stands at their borders.
  std::string text;
  Texts expected;
  for (int i = 0; i < 40000; ++i) {
    expected.push_back("line " + std::to_string(i) + "\r\n" + std::string(static_cast<std::size_t>(1 + i % 57), 'x'));
    text += expected.back() + "\r\n\r\n";
  }
  EXPECT_EQ(read(text, "\n\n"), expected);
}

TEST(Documents, JsonLinesGiveTheirText) {
  const TemporaryFolder folder;
  CorpusConfig config = corpus({folder.write(
      "a.jsonl",
      "{\"text\": \"one\\n\\u00e9\", \"meta\": {\"text\": 1}}\n\n{\"id\": [1, {\"text\": 2}], \"text\": \"two\"}")});
  EXPECT_EQ(read_all(config), (Texts{"one\n\u00e9", "two"}));
  config = corpus({folder.write("b.data", "{\"content\": \"x\"}\n")});
  config.format = TextFormat::kJsonl;
  config.text_key = "content";
  EXPECT_EQ(read_all(config), Texts{"x"});
}

TEST(Documents, JsonLinesAreToldByAnyFormOfTheirName) {
  const TemporaryFolder folder;
  const std::string lines = "\xEF\xBB\xBF\n{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  for (const char* name : {"a.JSONL", "b.NdJson", "c.jsonlines", "d.json", "e.JSON"}) {
    EXPECT_EQ(read_all(corpus({folder.write(name, lines)})), (Texts{"one", "two"})) << name;
  }
  EXPECT_EQ(read_all(corpus({folder.write("f.JSONL.GZ", gzip(lines))})), (Texts{"one", "two"}));
  EXPECT_EQ(read_all(corpus({folder.write("g.json.zst", zstd(lines))})), (Texts{"one", "two"}));
  EXPECT_EQ(read_all(corpus({folder.write("one_line.json", "{\"text\": \"" + std::string(1 << 18, 'x') + "\"}")})),
            Texts{std::string(1 << 18, 'x')});
  // No lines, or text by the config: one document.
  const std::string pretty = "{\n  \"text\": \"one\"\n}\n";
  EXPECT_EQ(read_all(corpus({folder.write("h.json", pretty)})), Texts{pretty});
  CorpusConfig text = corpus({folder.write("i.json", lines)});
  text.format = TextFormat::kText;
  EXPECT_EQ(read_all(text).size(), 1u);
}

TEST(TextKind, TellsWhatAFileHolds) {
  EXPECT_EQ(json_use("{\"text\": 1}\n"), JsonUse::kLines);
  EXPECT_EQ(json_use(" \n {\"text\": \"cut off"), JsonUse::kLines);
  EXPECT_EQ(json_use("{\n \"text\": 1\n}\n"), JsonUse::kDocument);
  EXPECT_EQ(json_use("[\n {\"text\": 1}]\n"), JsonUse::kDocument);
  for (const char* text : {"", "Prose.", "[Chapter 1]\n", "{{Infobox\n", "[[Link]]\n"}) {
    EXPECT_EQ(json_use(text), JsonUse::kNone) << text;
  }
  using namespace std::string_literals;
  for (const auto& [bytes, name] : std::vector<std::pair<std::string, std::string>>{{"\xFF\xFEh\0i\0"s, "UTF-16"},
                                                                                    {"\0h\0i\0!"s, "UTF-16BE"},
                                                                                    {"h\0i\0!\0"s, "UTF-16LE"},
                                                                                    {"\xFF\xFE\0\0h\0\0\0"s, "UTF-32"},
                                                                                    {"BZh9"s, "bzip2"},
                                                                                    {"PK\x03\x04"s, "zip"},
                                                                                    {"PAR1"s, "Parquet"}}) {
    EXPECT_NE(describe_foreign(bytes).find(name), std::string::npos) << name << ": " << describe_foreign(bytes);
  }
  EXPECT_EQ(describe_foreign("Text.\n"), "");
  EXPECT_TRUE(is_text("caf\xC3\xA9"));
  EXPECT_TRUE(is_text("caf\xC3"));
  EXPECT_FALSE(is_text("caf\xC3 "));
  EXPECT_FALSE(is_text("a\0"s));
}

TEST(Documents, FoldersAndGlobsAreSorted) {
  const TemporaryFolder folder;
  folder.write("t/b.txt", "b");
  folder.write("t/a/z.txt", "z");
  folder.write("t/a/y.md", "y");
  folder.write("t/.hidden", "no");
  folder.write("t/.git/config", "no");
  folder.write("t/empty.txt", "");
  EXPECT_EQ(read_all(corpus({folder.path() / "t"})), (Texts{"y", "z", "b"}));
  EXPECT_EQ(read_all(corpus({folder.path() / "t/*.txt", folder.path() / "t/a/?.md"})).size(), 2u);
}

TEST(Documents, PackedFilesAreUnpackedByTheirMagicNumber) {
  const TemporaryFolder folder;
  const std::string text = sample_text(50000);
  const std::string lines = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  EXPECT_EQ(read_all(corpus({folder.write("a.gz", gzip(text))})), Texts{text});
  EXPECT_EQ(read_all(corpus({folder.write("two_members", gzip(text) + gzip("more"))})), Texts{text + "more"});
  EXPECT_EQ(read_all(corpus({folder.write("a.txt.zst", zstd(text))})), Texts{text});
  EXPECT_EQ(read_all(corpus({folder.write("b", zstd("a") + zstd(text))})), Texts{"a" + text});
  // Frames that a reader skips, in front, between and behind.
  const std::string skipped("\x50\x2A\x4D\x18\x03\x00\x00\x00xyz", 11), last("\x5F\x2A\x4D\x18\0\0\0\0", 8);
  EXPECT_EQ(read_all(corpus({folder.write("s.txt", skipped + zstd("a") + last + zstd("b") + skipped)})), Texts{"ab"});
  EXPECT_EQ(read_all(corpus({folder.write("l.jsonl.gz", gzip(lines))})), (Texts{"one", "two"}));
  EXPECT_EQ(read_all(corpus({folder.write("l.jsonl.zst", zstd(lines))})), (Texts{"one", "two"}));
}

TEST(Documents, AWindowIsInProportionToThePackedFile) {
  const TemporaryFolder folder;
  // A frame of one raw block, "a", whose header asks for 2^(10 + exponent) bytes of window.
  const auto frame = [](int exponent) {
    return std::string("\x28\xB5\x2F\xFD", 4) + '\0' + static_cast<char>(exponent << 3) + std::string("\x09\0\0", 3) +
           "a";
  };
  EXPECT_EQ(read_all(corpus({folder.write("usual.zst", frame(17))})), Texts{"a"});
  const fs::path path = folder.write("greedy.zst", frame(21));
  const std::string message = message_of<DataError>([&] { read_all(corpus({path})); });
  EXPECT_NE(message.find("greedy.zst: byte 0: its zstd data asks for a window of more than 128.0 MiB"), message.npos)
      << message;
}

TEST(Documents, LongOnesArriveWhole) {
  const TemporaryFolder folder;
  const std::string longer = sample_text(600000);  // several blocks
  ASSERT_GT(longer.size(), 3 * BlockReader::kBlock);
  EXPECT_EQ(read_all(corpus({folder.write("a.txt", longer)})), Texts{longer});

  std::string line = longer;
  std::replace(line.begin(), line.end(), '\n', ' ');
  EXPECT_EQ(read_all(corpus({folder.write("b.txt", "x\n" + line + "\ny\n")}, kLine)), (Texts{"x", line, "y"}));
  EXPECT_EQ(read_all(corpus({folder.write("c.txt", "x\n\n" + line + "\n\ny\n")}, kBlankLine)), (Texts{"x", line, "y"}));
  const DocumentRule rule = rule_of(DocumentRule::Kind::kSeparator, "@@@");
  EXPECT_EQ(read_all(corpus({folder.write("d.txt", "x@@@" + longer + "@@@y")}, rule)), (Texts{"x", longer, "y"}));
  EXPECT_EQ(read_all(corpus({folder.write("e.jsonl", "{\"text\": \"x\"}\n{\"text\": \"" + std::string(3 << 20, 'a') +
                                                         "\"}\n{\"text\": \"y\"}\n")})),
            (Texts{"x", std::string(3 << 20, 'a'), "y"}));
  // No place to cut at all.
  const std::string solid = "\xC3\xA9" + std::string(2 << 20, 'a');
  EXPECT_EQ(read_all(corpus({folder.write("f.txt", solid)})), Texts{solid});
}

TEST(Documents, ReadingGoesOnAfterAnyBlock) {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 200000; ++i) lines += "line number " + std::to_string(i * 7919) + "\n";
  const std::string longer = sample_text(400000);
  const CorpusConfig config = corpus(
      {folder.write("a.txt", lines), folder.write("b.txt.gz", gzip(lines)), folder.write("c.txt", "end\n")}, kLine);
  const std::vector<Segment> segments = find_segments(config);
  std::vector<std::string> blocks;
  std::vector<ReadPosition> positions;
  BlockReader reader(segments, config.documents);
  for (TextBlock block; reader.next(block);) {
    blocks.push_back(block.bytes);
    positions.push_back(reader.position());
  }
  ASSERT_GT(blocks.size(), 7u);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    BlockReader again(segments, config.documents, positions[i]);
    std::size_t next = i + 1;
    for (TextBlock block; again.next(block); ++next) ASSERT_EQ(block.bytes, blocks[next]);
    EXPECT_EQ(next, blocks.size());
  }
}

TEST(Documents, SplitAtMakesTwo) {
  const TemporaryFolder folder;
  const CorpusConfig config = corpus({folder.write("a.txt", "abc\xC3\xA9xyz")});
  EXPECT_EQ(read_segments(find_segments(config), config, {}, 4), (Texts{"abc", "\xC3\xA9xyz"}));
  EXPECT_EQ(read_segments(find_segments(config), config, {}, 5), (Texts{"abc\xC3\xA9", "xyz"}));
}

TEST(Documents, ShardsDivideThem) {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += std::string(1 + static_cast<std::size_t>(i * i % 97), 'a' + i % 26) + "\n";
  CorpusConfig config = corpus({folder.write("a.txt", lines), folder.write("b.txt", "one\n"),
                                folder.write("c.txt.gz", gzip(lines)), folder.write("d.txt", lines)},
                               kLine);
  const Texts all = read_all(config);
  for (const std::int64_t shards : {2, 3, 7, 50, 1000}) {
    Texts joined;
    for (std::int64_t i = 0; i < shards; ++i) {
      const Texts part = read_segments(divide_segments(find_segments(config), kLine, i, shards), config);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, all) << shards;
  }
  // Other files stay whole.
  config.documents = kFile;
  Texts joined;
  for (std::int64_t i = 0; i < 3; ++i) {
    const Texts part = read_segments(divide_segments(find_segments(config), kFile, i, 3), config);
    joined.insert(joined.end(), part.begin(), part.end());
  }
  EXPECT_EQ(joined, read_all(config));
}

TEST(DocumentErrors, NameFileAndByte) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& name, std::string_view bytes, const DocumentRule& rule = kFile) {
    const fs::path path = folder.write(name, bytes);
    return message_of<DataError>([&] { read_all(corpus({path}, rule)); });
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  contains(message("empty.txt", ""), "empty.txt: byte 0: an empty file");
  contains(message("nul.txt", std::string_view("abc\0def", 7)), "nul.txt:1: byte 3: a NUL byte");
  contains(message("latin1.txt", "\n\nna\xEFve"), "latin1.txt:3: byte 4: not UTF-8");
  contains(message("cut.txt", "na\xC3"), "cut.txt:1: byte 2: not UTF-8");
  contains(message("late.txt", std::string(3 << 20, 'a') + "\n\xFF"), "late.txt:2: byte 3145729: not UTF-8");
  contains(message("wide.txt", std::string_view("\xFF\xFEh\0i\0", 6)), "text in UTF-16: convert it, as with iconv");
  contains(message("a.jsonl", "{\"text\": \"x\"}\n\n{\"text\": oops}\n"), "a.jsonl:3: byte 24: not JSON");
  contains(message("b.jsonl", "{\"txt\": \"x\"}\n"), "b.jsonl:1: byte 0: no key 'text' (did you mean 'txt'?)");
  contains(message("c.jsonl", "{\"text\": 5}\n"), "c.jsonl:1: byte 0: 'text' is a number");
  contains(message("d.jsonl", "[1]\n"), "d.jsonl:1: byte 0: a list, expected an object");
  const std::string packed = gzip(sample_text(1000));
  contains(message("cut.gz", packed.substr(0, packed.size() / 2)), "cut.gz: byte " + std::to_string(packed.size() / 2));
  const std::string frame = zstd(sample_text(1000));
  contains(message("cut.zst", frame.substr(0, frame.size() / 2)), "cut.zst: byte " + std::to_string(frame.size() / 2));
  contains(message_of<DataError>([&] { read_all(corpus({folder.path() / "none"})); }), "there is no file or folder");
  contains(message_of<DataError>([&] { read_all(corpus({folder.path() / "*.none"})); }), "no file matches");
  const fs::path twice = folder.write("twice.txt", "x");
  contains(message_of<DataError>([&] { read_all(corpus({twice, twice})); }), "twice.txt' is named twice");
}

TEST(DocumentErrors, CountLinesFromTheFilesStartWhereverReadingBegan) {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 300000; ++i) lines += "line\n";
  const CorpusConfig config = corpus({folder.write("a.txt", lines + "b\xFF" + "ad\n" + lines)}, kLine);
  const std::string expected = "a.txt:300001: byte 1500001: not UTF-8";
  std::string message = message_of<DataError>([&] { read_all(config); });
  EXPECT_NE(message.find(expected), message.npos) << message;
  int found = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto part = divide_segments(find_segments(config), kLine, i, 3);
    message = message_of<DataError>([&] { read_segments(part, config); });
    found += message.find(expected) != message.npos;
  }
  EXPECT_EQ(found, 1);
}

TEST(DocumentErrors, BadRecordsCanBeHandedOver) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& name, const std::string& bytes, const DocumentRule& rule) {
    const std::vector<Segment> segments = find_segments(corpus({folder.write(name, bytes)}));
    Texts found;
    BlockReader reader(segments, rule);
    for (TextBlock block; reader.next(block);) {
      for_each_document(
          block, segments[0], rule, "text", [&](const DocumentPart& part) { found.emplace_back(part.text); },
          [&](const BadRecord& record) { found.push_back(record.message.substr(record.message.find(name))); });
    }
    return found;
  };
  const std::string not_utf8 = ": not UTF-8, expected a text file in UTF-8";
  EXPECT_EQ(read("a.txt", "one\nna\xEFve\ntwo\n", kLine), (Texts{"one", "a.txt:2: byte 6" + not_utf8, "two"}));
  EXPECT_EQ(read("b.txt", "one\n\nna\xEFve\n1\n\ntwo\n", kBlankLine),
            (Texts{"one", "b.txt:3: byte 7" + not_utf8, "two"}));
  EXPECT_EQ(read("c.jsonl", "{\"text\": \"one\"}\n[1]\n{\"text\": \"\xFF\"}\n{\"text\": \"two\"}\n", kFile).size(), 4u);
}

TEST(DocumentErrors, ATokenShardWithoutItsExtensionIsNamed) {
  const TemporaryFolder folder;
  folder.write("pre.bin", "x");
  folder.write("pre.idx", "x");
  const std::string message = message_of<DataError>([&] { read_all(corpus({folder.path() / "pre"})); });
  EXPECT_NE(message.find("pre' is the name of token shards without its extension: expected"), message.npos) << message;
}

TEST(Utf8, CutsWhereWordsBegin) {
  EXPECT_EQ(cut_position("one\ntwo three", 8), 4u);     // the start of a line
  EXPECT_EQ(cut_position("one two  three", 10), 7u);    // before a run of spaces
  EXPECT_EQ(cut_position("one\n\n\ntwo", 4), 3u + 1u);  // within newlines: no line starts, no space
  EXPECT_EQ(cut_position("aaaa\xC3\xA9zz", 5), 4u);     // not within a code point
  EXPECT_EQ(cut_position("aaaaaaaa", 5), 5u);
}

}  // namespace
}  // namespace ingot
