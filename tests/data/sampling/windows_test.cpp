#include "data/sampling/windows.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/shards/megatron.h"
#include "data/support.h"

namespace ingot {
namespace {

using Ids = std::vector<TokenId>;

/// Knows its marks and nothing else.
class Marks final : public Tokenizer {
 public:
  Marks(std::optional<TokenId> eos, std::optional<TokenId> bos = {}) : eos_(eos), bos_(bos) {}
  std::int64_t vocab_size() const override { return 100; }
  std::optional<TokenId> eos() const override { return eos_; }
  std::optional<TokenId> bos() const override { return bos_; }
  bool has_text() const override { return false; }
  std::unique_ptr<TextEncoder> encoder() const override { throw DataError("no text"); }
  std::string_view piece(TokenId) const override { throw DataError("no text"); }
  std::string serialize() const override { return "{}"; }

 private:
  std::optional<TokenId> eos_, bos_;
};

std::shared_ptr<const TokenStream> stream_of(const fs::path& folder, const std::vector<Ids>& documents) {
  MegatronWriter writer(folder, "a", 100);
  for (const Ids& document : documents) {
    writer.append(document);
    writer.end_document();
  }
  writer.sync();
  writer.finish();
  std::vector<std::unique_ptr<TokenShard>> shards;
  shards.push_back(open_megatron(folder / "a.bin"));
  return std::make_shared<TokenStream>(std::move(shards), 100, std::ssize(documents));
}

/// All windows, a row each.
Batch batch_of(const Windows& windows) {
  Batch batch = empty_batch(windows.all(), windows.seq_len());
  for (std::int64_t window = 0; window < windows.all(); ++window) windows.fill(window, batch, window);
  return batch;
}

TEST(Windows, TheTokenThatEndsADocumentOpensTheNext) {
  const TemporaryFolder folder;
  const auto stream = stream_of(folder.path(), {{1, 2, 9}, {3, 9}, {4, 5, 6, 9}});
  const Windows apart(stream, 4, true, Marks(9));
  EXPECT_EQ(apart.opener(), 9);
  EXPECT_EQ(apart.full(), 2);
  const Batch batch = batch_of(apart);
  EXPECT_EQ(batch.tokens, (Ids{9, 1, 2, 9, 3, 9, 4, 5, 6, 9, 0, 0}));
  EXPECT_EQ(batch.targets, (Ids{1, 2, 9, 3, 9, 4, 5, 6, 9, -1, -1, -1}));
  EXPECT_EQ(batch.documents, (Ids{0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(batch.target_count, stream->tokens()) << "every token is a target once";
  EXPECT_EQ(apart.first_token(0), 0);
  EXPECT_EQ(apart.first_token(1), 3);

  const Batch joined = batch_of(Windows(stream, 4, false, Marks(9)));
  EXPECT_EQ(joined.tokens, batch.tokens);
  EXPECT_EQ(joined.targets, batch.targets);
  EXPECT_EQ(joined.documents, Ids(12, 0));
}

TEST(Windows, WithoutATokenThatEndsDocumentsTheFirstOfEachIsNoTarget) {
  const TemporaryFolder folder;
  const auto stream = stream_of(folder.path(), {{1, 2}, {3}, {4, 5}});
  const Windows apart(stream, 4, true, Marks({}));
  EXPECT_FALSE(apart.opener().has_value());
  EXPECT_EQ(apart.fewest_tokens(), 5);
  const Batch batch = batch_of(apart);
  EXPECT_EQ(batch.tokens, (Ids{1, 2, 3, 4}));
  EXPECT_EQ(batch.targets, (Ids{2, -1, -1, 5}));
  EXPECT_EQ(batch.documents, (Ids{0, 0, 1, 2}));
  EXPECT_EQ(batch_of(Windows(stream, 4, false, Marks({}))).targets, (Ids{2, 3, 4, 5}));
}

TEST(Windows, DocumentsThatBeginWithATokenOfTheirOwnOpenThemselves) {
  for (const bool ended : {true, false}) {
    const TemporaryFolder folder;
    const auto stream = ended ? stream_of(folder.path(), {{8, 1, 9}, {8, 2, 9}, {8, 3, 9}})
                              : stream_of(folder.path(), {{8, 1}, {8, 2}, {8, 3}});
    const Windows apart(stream, 5, true, Marks(9, 8));
    EXPECT_EQ(apart.opener(), 8);
    const Batch batch = batch_of(apart);
    const Ids first(batch.tokens.begin(), batch.tokens.begin() + 5);
    EXPECT_EQ(first, (ended ? Ids{8, 1, 9, 8, 2} : Ids{8, 1, 8, 2, 8}));
    EXPECT_EQ(Ids(batch.targets.begin(), batch.targets.begin() + 5),
              (ended ? Ids{1, 9, -1, 2, 9} : Ids{1, -1, 2, -1, 3}));
    EXPECT_EQ(Ids(batch.documents.begin(), batch.documents.begin() + 5),
              (ended ? Ids{0, 0, 0, 1, 1} : Ids{0, 0, 1, 1, 2}));
  }
}

TEST(Windows, AStreamThatBeginsWithItsEndOfDocumentGetsNoOther) {
  const TemporaryFolder folder;
  // Documents without text as well.
  const Batch batch = batch_of(Windows(stream_of(folder.path(), {{9}, {9}, {1, 9}}), 4, true, Marks(9)));
  EXPECT_EQ(batch.tokens, (Ids{9, 9, 1, 9}));
  EXPECT_EQ(batch.targets, (Ids{9, 1, 9, -1}));
  EXPECT_EQ(batch.documents, (Ids{0, 1, 1, 1}));
}

TEST(Windows, AFileThatMayBeginWithinADocumentIsTakenAsItIs) {
  const TemporaryFolder folder;
  std::vector<std::int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 5;
  std::string bytes(reinterpret_cast<const char*>(header.data()), 1024);
  for (const std::uint16_t id : {1, 9, 2, 3, 9}) bytes.append(reinterpret_cast<const char*>(&id), 2);
  std::vector<std::unique_ptr<TokenShard>> shards;
  shards.push_back(open_llmc(folder.write("a.bin", bytes), 9));
  const Windows windows(std::make_shared<TokenStream>(std::move(shards), 100, 2), 4, true, Marks(9));
  EXPECT_EQ(windows.opener(), 9);
  const Batch batch = batch_of(windows);
  EXPECT_EQ(batch.tokens, (Ids{1, 9, 2, 3}));
  EXPECT_EQ(batch.targets, (Ids{9, 2, 3, 9}));
  EXPECT_EQ(batch.documents, (Ids{0, 1, 1, 1}));
}

}  // namespace
}  // namespace ingot
