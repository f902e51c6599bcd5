// Text and token files as a user hands them to the program: what it reads, and what it says of the rest.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;

class TextFiles : public Program {
 protected:
  nlohmann::json json_of(const std::vector<std::string>& arguments) const {
    const auto result = ingot(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }
};

TEST_F(TextFiles, EvalReadsWhatTrainingReadsAndRefusesTheRest) {
  ASSERT_EQ(ingot({"train", tiny()}).exit_code, 0);
  const std::string text = "At noon, the miller walked slowly to the harbour.\r\nThen he sat down.\n";
  write_raw(folder / "plain.txt", text);
  write_raw(folder / "marked.txt", "\xEF\xBB\xBF" + text);
  write_raw(folder / "packed.txt", text);
  ASSERT_EQ(run_process({"/bin/sh", "-c", "gzip packed.txt"}, folder.path()).exit_code, 0);
  const auto plain = json_of({"eval", "runs/tiny", "--text", "plain.txt", "--json"});
  for (const char* name : {"marked.txt", "packed.txt.gz"}) {
    EXPECT_EQ(json_of({"eval", "runs/tiny", "--text", name, "--json"}), plain) << name;
  }
  std::string wide = "\xFF\xFE";
  for (const char c : text) wide += std::string{c, '\0'};
  write_raw(folder / "wide.txt", wide);
  write_raw(folder / "lines.jsonl", "{\"text\": \"one\"}\n");
  write_raw(folder / "blank.txt", " \n");
  write_raw(folder / "ids.bin", wide.substr(2));
  fs::create_directory(folder / "two");
  write_raw(folder / "two/a.txt", text);
  write_raw(folder / "two/b.txt", text);
  const std::pair<const char*, const char*> refused[] = {{"wide.txt", "text in UTF-16: convert it, as with iconv"},
                                                         {"lines.jsonl", "holds JSON lines"},
                                                         {"blank.txt", "white space alone"},
                                                         {"ids.bin", "token ids without a header"},
                                                         {"two", "is not one file"},
                                                         {"absent.txt", "there is no file"}};
  for (const auto& [name, says] : refused) {
    const auto result = ingot({"eval", "runs/tiny", "--text", name});
    EXPECT_EQ(result.exit_code, 3) << name;
    EXPECT_TRUE(has(result.err, says)) << result.err;
  }
}

TEST_F(TextFiles, JsonUnderItsOtherNamesIsReadOrNamed) {
  const std::string lines = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  const auto tokenize = [&](const std::string& name, const std::string& bytes, std::vector<std::string> more = {}) {
    write_raw(folder / name, bytes);
    std::vector<std::string> arguments = {"tokenize", name, "--out", name + ".tok", "--tokenizer", "bytes", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return ingot(arguments);
  };
  for (const char* name : {"a.json", "b.JSONL"}) {
    EXPECT_EQ(nlohmann::json::parse(tokenize(name, lines).out)["documents"], 2) << name;
  }
  EXPECT_TRUE(has(tokenize("c.txt", lines).err, "c.txt looks like JSON lines, but is read as plain text"));
  EXPECT_TRUE(has(tokenize("d.json", "[\n" + lines + "]").err, "d.json looks like JSON, but not like JSON lines"));
  EXPECT_EQ(tokenize("e.json", "[\n" + lines + "]", {"--format", "text"}).err.find("looks like"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(tokenize("f.txt", lines, {"--format", "jsonl"}).out)["documents"], 2);
  const auto skipped = tokenize("g.jsonl", lines + "oops\n", {"--on-bad-record", "skip"});
  EXPECT_EQ(nlohmann::json::parse(skipped.out)["bad_records"], 1);
  EXPECT_TRUE(has(skipped.err, "g.jsonl:3: byte 32: not JSON", "1 bad record was left out"));
  EXPECT_EQ(tokenize("h.jsonl", lines + "oops\n").exit_code, 3);
  EXPECT_EQ(tokenize("i.jsonl", lines, {"--on-bad-record", "ignore"}).exit_code, 2);
}

TEST_F(TextFiles, TokenFilesThatMissAPartAreNamed) {
  write_raw(folder / "text.txt", "Some text to make tokens of.\n");
  ASSERT_EQ(ingot({"tokenize", "text.txt", "--out", "tok", "--tokenizer", "bytes"}).exit_code, 0);
  fs::copy_file(folder / "tok/train.bin", folder / "lost.bin");
  fs::copy_file(folder / "tok/train.bin", folder / "pre.bin");
  fs::copy_file(folder / "tok/train.idx", folder / "pre.idx");
  const auto error_with = [&](const std::string& path) {
    const auto result = ingot({"train", tiny(), "data.train.paths=" + path, "~data.validation", "~data.train.documents",
                               "data.tokenizer={type: external, vocab_size: 257}", "run.dir=" + path + ".run"});
    EXPECT_EQ(result.exit_code, 3) << result.err;
    return result.err;
  };
  EXPECT_TRUE(has(error_with("lost.bin"), "lost.bin seems to hold token ids without a header", "lost.idx"));
  EXPECT_TRUE(has(error_with("pre"), "is the name of token shards without its extension"));
}

TEST_F(TextFiles, LimitsAreSaidInOurWords) {
  write_raw(folder / "text.txt", "Some text.\n");
  const auto workers = ingot({"tokenize", "text.txt", "--out", "tok", "--tokenizer", "bytes", "--workers", "1000000"});
  EXPECT_EQ(workers.exit_code, 2);
  EXPECT_TRUE(has(workers.err, "--workers: out of range: '1000000', expected a whole number from 1 to 1024"));
  const auto small =
      ingot({"tokenize", "text.txt", "--out", "tok", "--tokenizer", "{type: sentencepiece, vocab_size: 9}"});
  EXPECT_EQ(small.exit_code, 2);
  EXPECT_TRUE(has(small.err, "tokenizer.vocab_size: 9, expected at least 259"));
}

}  // namespace
}  // namespace ingot
