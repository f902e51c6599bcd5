#include "data/shards/token_shard.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "data/shards/manifest.h"
#include "data/shards/megatron.h"
#include "data/shards/token_stream.h"
#include "data/support.h"

namespace ingot {
namespace {

using Ids = std::vector<TokenId>;

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// An .idx file field by field, as the format says.
std::string index_bytes(std::uint8_t type, std::int64_t item_size, const std::vector<std::int32_t>& lengths,
                        const std::vector<std::int64_t>& documents) {
  std::vector<std::int64_t> offsets;
  std::int64_t offset = 0;
  for (const std::int32_t length : lengths) {
    offsets.push_back(offset);
    offset += length * item_size;
  }
  return std::string("MMIDIDX\0\0", 9) + raw<std::uint64_t>({1}) + static_cast<char>(type) +
         raw<std::uint64_t>({lengths.size()}) + raw<std::uint64_t>({documents.size()}) + raw(lengths) + raw(offsets) +
         raw(documents);
}

std::string llmc_bytes(std::int32_t magic, std::int32_t version, std::int32_t tokens, const std::string& ids) {
  std::vector<std::int32_t> header(256, 0);
  header[0] = magic;
  header[1] = version;
  header[2] = tokens;
  return raw(header) + ids;
}

Ids read_all(const TokenShard& shard) {
  Ids ids(static_cast<std::size_t>(shard.tokens()));
  shard.read(0, shard.tokens(), ids.data());
  return ids;
}

std::vector<std::int64_t> starts(const TokenShard& shard, std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> found;
  shard.document_starts(first, end, found);
  return found;
}

void write_documents(const fs::path& folder, const std::string& stem, std::int64_t vocab,
                     const std::vector<Ids>& documents) {
  MegatronWriter writer(folder, stem, vocab);
  for (const Ids& document : documents) {
    writer.append(document);
    writer.end_document();
  }
  writer.finish();
  MegatronWriter::remove_lengths(folder, stem);
}

TEST(Megatron, WritesTheBytesOfTheFormat) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "s", 1000, {{1, 2, 3}, {}, {999}});
  EXPECT_EQ(read_file(folder.path() / "s.bin"), raw<std::uint16_t>({1, 2, 3, 999}));
  EXPECT_EQ(read_file(folder.path() / "s.idx"), index_bytes(8, 2, {3, 0, 1}, {0, 1, 2, 3}));
  EXPECT_FALSE(fs::exists(folder.path() / "s.lengths"));

  write_documents(folder.path(), "l", 65500, {{1}, {70000}});
  EXPECT_EQ(read_file(folder.path() / "l.bin"), raw<std::int32_t>({1, 70000}));
  EXPECT_EQ(read_file(folder.path() / "l.idx"), index_bytes(4, 4, {1, 1}, {0, 1, 2}));
  EXPECT_EQ(megatron_item_size(65499), 2);
  EXPECT_EQ(megatron_item_size(65500), 4);
}

TEST(Megatron, ReadsWhatItWrote) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "s", 1000, {{1, 2, 3}, {}, {4}, {5, 6}});
  for (const char* name : {"s.bin", "s.idx"}) {
    const auto shard = open_megatron(folder.path() / name);
    EXPECT_EQ(shard->tokens(), 6);
    EXPECT_EQ(shard->documents(), 4);
    EXPECT_EQ(read_all(*shard), (Ids{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(starts(*shard, 0, 6), (std::vector<std::int64_t>{3, 4}));
    EXPECT_EQ(starts(*shard, 1, 4), (std::vector<std::int64_t>{3}));
    EXPECT_EQ(starts(*shard, 4, 5), (std::vector<std::int64_t>{4}));
    EXPECT_TRUE(starts(*shard, 5, 6).empty());
    shard->check_index();
  }
}

TEST(Megatron, ReadsEveryIntegerTypeAndSeveralSequencesADocument) {
  const TemporaryFolder folder;
  const auto check = [&](std::uint8_t type, std::int64_t size, const std::string& ids) {
    folder.write("t.idx", index_bytes(type, size, {2, 1, 1}, {0, 2, 3}));
    folder.write("t.bin", ids);
    const auto shard = open_megatron(folder.path() / "t.idx");
    EXPECT_EQ(read_all(*shard), (Ids{7, 100, 3, 4})) << +type;
    EXPECT_EQ(shard->documents(), 2);
    EXPECT_EQ(starts(*shard, 0, 4), (std::vector<std::int64_t>{3}));
  };
  check(1, 1, raw<std::uint8_t>({7, 100, 3, 4}));
  check(2, 1, raw<std::int8_t>({7, 100, 3, 4}));
  check(3, 2, raw<std::int16_t>({7, 100, 3, 4}));
  check(4, 4, raw<std::int32_t>({7, 100, 3, 4}));
  check(5, 8, raw<std::int64_t>({7, 100, 3, 4}));
  check(8, 2, raw<std::uint16_t>({7, 100, 3, 4}));
}

TEST(Megatron, GoesOnWhereItWas) {
  const TemporaryFolder whole, cut;
  const std::vector<Ids> documents = {{1, 2}, {3}, {4, 5, 6}, {7}};
  write_documents(whole.path(), "s", 1000, documents);
  MegatronProgress progress;
  {
    MegatronWriter writer(cut.path(), "s", 1000);
    writer.append(documents[0]);
    writer.end_document();
    writer.append(Ids{3});
    writer.sync();
    progress = writer.progress();  // in the middle of a document
    writer.append(Ids{90, 91});
    writer.end_document();
    writer.sync();
  }
  MegatronWriter writer(cut.path(), "s", 1000, progress);
  writer.end_document();
  for (std::size_t i = 2; i < documents.size(); ++i) {
    writer.append(documents[i]);
    writer.end_document();
  }
  EXPECT_EQ(writer.progress().largest_id, 7);
  writer.finish();
  for (const char* name : {"s.bin", "s.idx"}) {
    EXPECT_EQ(read_file(cut.path() / name), read_file(whole.path() / name));
  }
}

TEST(Megatron, DamageIsNamed) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "s", 1000, {{1, 2, 3}, {4}});
  const std::string ids = read_file(folder.path() / "s.bin"), index = read_file(folder.path() / "s.idx");
  const auto message = [&](const std::string& new_ids, const std::string& new_index) {
    folder.write("s.bin", new_ids);
    folder.write("s.idx", new_index);
    return message_of<DataError>([&] { open_megatron(folder.path() / "s.bin")->check_index(); });
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  EXPECT_EQ(message(ids, index), "");
  contains(message(ids.substr(0, 5), index), "s.bin: byte 5: the file has 5 bytes, expected 8 by s.idx");
  contains(message(ids + "xx", index), "s.bin: byte 8: the file has 10 bytes");
  contains(message(ids, index.substr(0, 50)), "s.idx: byte 50: the file ends, expected 2 sequences");
  contains(message(ids, "x" + index.substr(1)), "s.idx: byte 0: not an index");
  std::string bad = index;
  bad[9] = 2;
  contains(message(ids, bad), "s.idx: byte 9: version 2, expected 1");
  bad = index;
  bad[17] = 7;
  contains(message(ids, bad), "s.idx: byte 17: type 7");
  bad = index;
  bad[18] = 100;
  contains(message(ids, bad), "expected 100 sequences");
  bad = index;
  bad[26] = 0;
  contains(message(ids, bad), "0 document bounds");
  // Lengths that do not fit the offsets.
  contains(message(ids, index_bytes(8, 2, {3, 1}, {0, 1, 2}).replace(34, 4, raw<std::int32_t>({2}))),
           "offset 6 of sequence 1, expected 4");
  contains(message(ids, index_bytes(8, 2, {3, 1}, {0, 5, 2})), "document 1 begins with sequence 5");
  fs::remove(folder.path() / "s.idx");
  EXPECT_THROW(open_megatron(folder.path() / "s.bin"), Error);
}

TEST(Llmc, ReadsBothFormats) {
  const TemporaryFolder folder;
  const fs::path small =
      folder.write("a_train_000000.bin", llmc_bytes(20240520, 1, 5, raw<std::uint16_t>({50256, 1, 2, 50256, 65535})));
  const auto shard = open_llmc(small, 50256);
  EXPECT_EQ(read_all(*shard), (Ids{50256, 1, 2, 50256, 65535}));
  EXPECT_EQ(starts(*shard, 0, 5), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(starts(*shard, 1, 4), (std::vector<std::int64_t>{1}));
  EXPECT_TRUE(starts(*open_llmc(small, std::nullopt), 0, 5).empty());
  EXPECT_EQ(shard_kind(small), ShardKind::kLlmc);

  const fs::path large =
      folder.write("b.bin", llmc_bytes(20240801, 7, 3, raw<std::uint32_t>({128000, 5, 4000000000u})));
  EXPECT_EQ(read_all(*open_llmc(large, std::nullopt)), (Ids{128000, 5, -1}));
}

TEST(Llmc, DamageIsNamed) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& bytes) {
    const fs::path path = folder.write("a.bin", bytes);
    return message_of<DataError>([&] { open_llmc(path, std::nullopt); });
  };
  const auto contains = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  const std::string ids = raw<std::uint16_t>({1, 2, 3});
  EXPECT_EQ(message(llmc_bytes(20240520, 1, 3, ids)), "");
  contains(message(llmc_bytes(20240520, 1, 4, ids)), "a.bin: byte 1030: the file has 1030 bytes, expected 1032");
  contains(message(llmc_bytes(20240520, 2, 3, ids)), "a.bin: byte 4: version 2, expected 1");
  contains(message(llmc_bytes(123, 1, 3, ids)), "a.bin: byte 0: not a token shard");
  contains(message(llmc_bytes(20240520, 1, 3, ids).substr(0, 100)), "a.bin: byte 100: the file ends");
  contains(message(""), "a.bin: byte 0");
}

TEST(TokenStream, JoinsShards) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "a", 100, {{1, 2, 3}, {4}});
  write_documents(folder.path(), "b", 100, {});
  write_documents(folder.path(), "c", 100, {{5, 6}, {7}});
  std::vector<std::unique_ptr<TokenShard>> shards;
  for (const char* name : {"a.bin", "b.bin", "c.bin"}) shards.push_back(open_megatron(folder.path() / name));
  const TokenStream stream(std::move(shards), 100, 4);
  EXPECT_EQ(stream.tokens(), 7);
  for (std::int64_t first = 0; first < 7; ++first) {
    for (std::int64_t count = 1; first + count <= 7; ++count) {
      Ids ids(static_cast<std::size_t>(count));
      stream.read(first, count, ids.data());
      for (std::int64_t i = 0; i < count; ++i) EXPECT_EQ(ids[static_cast<std::size_t>(i)], first + i + 1);
    }
  }
  EXPECT_EQ(stream.document_starts(0, 7), (std::vector<std::int64_t>{0, 3, 4, 6}));
  EXPECT_EQ(stream.document_starts(1, 6), (std::vector<std::int64_t>{3, 4}));
}

TEST(TokenStream, ADocumentOfLlmcGoesOnInTheNextFile) {
  const TemporaryFolder folder;
  const auto stream_of = [&](std::optional<TokenId> eos) {
    const std::vector<std::vector<std::uint16_t>> files = {{9, 1, 2}, {3, 9}, {4, 5}};
    std::vector<std::unique_ptr<TokenShard>> shards;
    for (const auto& ids : files) {
      const std::string name = std::to_string(shards.size()) + ".bin";
      shards.push_back(
          open_llmc(folder.write(name, llmc_bytes(20240520, 1, static_cast<std::int32_t>(ids.size()), raw(ids))), eos));
    }
    return TokenStream(std::move(shards), 100, 2);
  };
  EXPECT_EQ(stream_of(9).document_starts(0, 7), (std::vector<std::int64_t>{0, 1, 5}));
  EXPECT_EQ(stream_of(9).document_starts(2, 6), (std::vector<std::int64_t>{5}));
  EXPECT_EQ(stream_of(std::nullopt).document_starts(0, 7), (std::vector<std::int64_t>{0}));
}

TEST(TokenStream, AnIdOutsideTheVocabularyIsNamed) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "a", 100, {{1, 2, 99, 3}});
  std::vector<std::unique_ptr<TokenShard>> shards;
  shards.push_back(open_megatron(folder.path() / "a.bin"));
  const TokenStream stream(std::move(shards), 99, 1);
  Ids ids(4);
  stream.read(0, 2, ids.data());
  const std::string message = message_of<DataError>([&] { stream.read(0, 4, ids.data()); });
  EXPECT_NE(message.find("a.bin: byte 4: token 99 is out of range, expected 0..98"), message.npos) << message;
}

TEST(TokenStream, AShardCutWhileInUseIsAnError) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "a", 100, {{1, 2, 3, 4}});
  std::vector<std::unique_ptr<TokenShard>> shards;
  shards.push_back(open_megatron(folder.path() / "a.bin"));
  const TokenStream stream(std::move(shards), 100, 1);
  fs::resize_file(folder.path() / "a.bin", 5);
  Ids ids(4);
  EXPECT_THROW(stream.read(0, 4, ids.data()), DataError);
}

TEST(TokenStream, AnIndexCutWhileInUseIsAnError) {
  const TemporaryFolder folder;
  std::vector<Ids> documents;
  for (TokenId i = 0; i < 20000; ++i) documents.push_back({i % 90, 91});
  write_documents(folder.path(), "a", 100, documents);
  std::vector<std::unique_ptr<TokenShard>> shards;
  shards.push_back(open_megatron(folder.path() / "a.bin"));
  const TokenStream stream(std::move(shards), 100, std::ssize(documents));
  ASSERT_EQ(stream.document_starts(30001, 30006), (std::vector<std::int64_t>{30002, 30004}));
  for (const std::uintmax_t bytes : {std::uintmax_t{100000}, std::uintmax_t{34}, std::uintmax_t{0}}) {
    fs::resize_file(folder.path() / "a.idx", bytes);
    const std::string message = message_of<DataError>([&] { stream.document_starts(7, 5000); });
    EXPECT_NE(message.find("a.idx: byte "), message.npos) << message;
    EXPECT_NE(message.find("the file ends, expected 400042 bytes"), message.npos) << message;
  }
}

TEST(Records, FindEveryChange) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "a", 100, {{1, 2, 3}, {4, 99}});
  SplitRecord split;
  split.shards.push_back(record_shard(folder.path() / "a.bin", ".", ShardKind::kMegatron, 100, std::nullopt));
  EXPECT_EQ(split.tokens(), 5);
  EXPECT_EQ(split.documents(), 2);
  EXPECT_EQ(split.shards[0].largest_id, 99);
  EXPECT_FALSE(open_split(split, folder.path(), std::nullopt).record_changed);
  EXPECT_EQ(verify_file(split.shards[0].ids, folder.path()), "");

  // Another time alone: verified and noted.
  const fs::path ids = folder.path() / "a.bin";
  fs::last_write_time(ids, fs::last_write_time(ids) + std::chrono::hours(1));
  EXPECT_TRUE(open_split(split, folder.path(), std::nullopt).record_changed);
  EXPECT_FALSE(open_split(split, folder.path(), std::nullopt).record_changed);

  const std::string bytes = read_file(ids);
  std::string changed = bytes;
  changed[3] ^= 1;
  folder.write("a.bin", changed);
  fs::last_write_time(ids, fs::last_write_time(ids) + std::chrono::hours(2));
  std::string message = message_of<DataError>([&] { open_split(split, folder.path(), std::nullopt); });
  EXPECT_NE(message.find("a.bin has changed since it was recorded: the checksum of bytes 0..9 differs"), message.npos)
      << message;
  folder.write("a.bin", bytes.substr(0, 4));
  message = message_of<DataError>([&] { open_split(split, folder.path(), std::nullopt); });
  EXPECT_NE(message.find("it has 4 bytes, expected 10"), message.npos) << message;
  fs::remove(ids);
  message = message_of<DataError>([&] { open_split(split, folder.path(), std::nullopt); });
  EXPECT_NE(message.find("a.bin is missing"), message.npos) << message;
}

TEST(Records, AnIdOutsideTheVocabularyIsNamed) {
  const TemporaryFolder folder;
  write_documents(folder.path(), "a", 100, {{1, 2, 3}, {4, 99}});
  const std::string message = message_of<DataError>(
      [&] { record_shard(folder.path() / "a.bin", ".", ShardKind::kMegatron, 99, std::nullopt); });
  EXPECT_NE(message.find("a.bin: byte 8: token 99 is out of range, expected 0..98"), message.npos) << message;
}

}  // namespace
}  // namespace ingot
