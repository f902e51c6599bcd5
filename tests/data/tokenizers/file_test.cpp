#include <gtest/gtest.h>

#include "../support.h"
#include "base/error.h"

namespace ingot {
namespace {

TEST(FileTokenizer, ReadsWhatEveryTokenizerSaves) {
  const TemporaryFolder folder;
  const std::string text = sample_text(5000);
  for (const char* yaml :
       {"bytes", "characters", "{type: sentencepiece, vocab_size: 350}", "{type: external, vocab_size: 7}"}) {
    const auto original = make_tokenizer(yaml, {text});
    const fs::path path = folder.write("tokenizer.model", original->serialize());
    const auto loaded = make_tokenizer("{type: file, path: " + path.string() + "}");
    EXPECT_EQ(loaded->hash(), original->hash()) << yaml;
    EXPECT_EQ(loaded->vocab_size(), original->vocab_size()) << yaml;
  }
}

TEST(FileTokenizer, NamesTheFileThatIsWrong) {
  const TemporaryFolder folder;
  const auto message = [&](std::string_view bytes) {
    const std::string path = folder.write("t.model", bytes).string();
    return message_of<DataError>([&] { make_tokenizer("{type: file, path: " + path + "}"); });
  };
  EXPECT_NE(message("").find("t.model: an empty file"), std::string::npos);
  EXPECT_NE(message("{}").find("t.model: not a tokenizer"), std::string::npos);
  EXPECT_NE(message(R"({"type": "byte"})").find("did you mean 'bytes'"), std::string::npos);
  EXPECT_NE(message(R"({"type": "file"})").find("t.model"), std::string::npos);
  EXPECT_NE(message("garbage").find("t.model: not a sentencepiece model"), std::string::npos);
  const std::string missing =
      message_of<Error>([&] { make_tokenizer("{type: file, path: " + (folder.path() / "no").string() + "}"); });
  EXPECT_NE(missing.find("no"), std::string::npos);
}

}  // namespace
}  // namespace ingot
