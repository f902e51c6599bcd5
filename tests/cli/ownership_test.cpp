// Files of others, and the edges of the file system, as a user meets them.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;

class Ownership : public Program {
 protected:
  /// A few steps of a model that takes no time, on sixty lines in p/a.txt.
  void SetUp() override {
    fs::create_directories(folder / "p");
    std::string lines;
    for (int i = 0; i < 60; ++i) lines += "line " + std::to_string(i) + " of a text that is made up\n";
    write_raw(folder / "p/a.txt", lines);
    write_raw(folder / "small.yaml", R"(run: {name: t}
data: {train: {paths: [p/a.txt], documents: line}, tokenizer: bytes, seq_len: 32}
model:
  d_model: 16
  layers: AF
  operators: {A: {mixer: {type: attention, num_heads: 2}}, F: {ffn: {type: swiglu, width: 2x}}}
optim: {optimizer: {type: adamw, lr: 1e-2}}
train: {device: cpu, duration: 2 steps, global_batch: 4 sequences, micro_batch: 2, precision: fp32, threads: 1}
evaluation: {sample_tokens: 8}
log: {tensorboard: false}
)");
  }

  ProcessResult train(std::vector<std::string> more) const {
    more.insert(more.begin(), {"train", "small.yaml"});
    return ingot(more);
  }
  /// With a shell, for redirections and limits; `$INGOT` is the program.
  ProcessResult shell(const std::string& line) const {
    return run_process({"/bin/sh", "-c", "INGOT='" + command({}).front() + "'; " + line}, folder.path());
  }
  /// Names in a folder, hidden ones included.
  std::vector<std::string> names_in(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder / name)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(Ownership, ARunDoesNotTakeAFolderOfTheUser) {
  fs::create_directory(folder / "exp");
  const std::string config = read_file(folder / "small.yaml") + "# notes of mine\n", metrics = "{\"epoch\": 3}\n";
  write_raw(folder / "exp/config.yaml", config);
  write_raw(folder / "exp/metrics.jsonl", metrics);
  const auto result = shell("cd exp && $INGOT train config.yaml run.dir=. data.train.paths=../p/a.txt");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "run.dir", "exp/config.yaml' is in the way"));
  EXPECT_EQ(read_file(folder / "exp/config.yaml"), config);
  EXPECT_EQ(read_file(folder / "exp/metrics.jsonl"), metrics);
  EXPECT_EQ(names_in("exp"), (std::vector<std::string>{"config.yaml", "metrics.jsonl"}));
  // Its own output, sent there by the shell, is in nobody's way.
  EXPECT_EQ(shell("mkdir r && $INGOT train small.yaml run.dir=r >r/out.txt 2>r/err.txt").exit_code, 0);
}

TEST_F(Ownership, WhatARunWritesIsNotItsText) {
  const std::string start = "cd p && $INGOT train ../small.yaml data.train.paths=. train.duration='4000 steps' ";
  auto result = shell(start + "train.time_limit='0.2 s' 2>err.txt");
  EXPECT_EQ(result.exit_code, 75) << read_file(folder / "p/err.txt");
  result = shell(start + "train.time_limit='0.2 s' 2>>err.txt");
  EXPECT_EQ(result.exit_code, 75) << read_file(folder / "p/err.txt");
  const auto data = folder / "p/runs/t/data";
  for (const auto& entry : fs::directory_iterator(data)) {
    if (!entry.is_directory()) continue;
    const auto manifest = nlohmann::json::parse(read_file(entry.path() / "manifest.json"));
    EXPECT_EQ(manifest.at("splits").at("train").at("documents"), 60);
  }
}

TEST_F(Ownership, ConvertLeavesAllOrNothing) {
  ASSERT_EQ(train({}).exit_code, 0);
  const auto convert = [&](const std::string& limit) {
    return shell(limit + "$INGOT convert runs/t --to folded --out runs/folded");
  };
  const auto before = names_in("runs");
  const auto failed = convert("ulimit -f 8; ");  // blocks of 512 bytes: the config fits, the weights do not
  EXPECT_EQ(failed.exit_code, 4) << failed.err;
  EXPECT_TRUE(has(failed.err, "File too large"));
  EXPECT_EQ(names_in("runs"), before);
  EXPECT_EQ(convert("").exit_code, 0) << "the failure before is in nobody's way";
  write_raw(folder / "runs/folded/notes.txt", "mine");
  EXPECT_EQ(convert("").exit_code, 2);
  EXPECT_EQ(ingot({"eval", "runs/folded", "--ids", "1,2,3"}).exit_code, 0);
}

TEST_F(Ownership, OutputFilesAreWholeOrAbsent) {
  ASSERT_EQ(train({}).exit_code, 0);
  const std::string eval = "$INGOT eval runs/t --ids 1,2,3,4,5,6 --logits ";
  const auto failed = shell("ulimit -f 1; " + eval + "l.safetensors");
  EXPECT_EQ(failed.exit_code, 4) << failed.err;
  EXPECT_TRUE(has(failed.err, "l.safetensors': File too large"));
  const auto before = names_in(".");
  EXPECT_EQ(std::count_if(before.begin(), before.end(), [](const auto& n) { return n.find("l.saf") != n.npos; }), 0);
  EXPECT_EQ(shell(eval + "l.safetensors").exit_code, 0);
  EXPECT_EQ(SafetensorsFile(folder / "l.safetensors").tensor("logits").size(0), 6);
  // A link that lies in wait under the name is replaced, not followed.
  write_raw(folder / "precious", "theirs");
  fs::create_symlink("precious", folder / "b.safetensors");
  fs::create_symlink("precious", folder / "b.safetensors.tmp");
  EXPECT_EQ(shell("$INGOT data export runs/t --steps 1 --out b.safetensors").exit_code, 0);
  EXPECT_EQ(read_file(folder / "precious"), "theirs");
  EXPECT_EQ(shell("mkfifo pipe; " + eval + "pipe").exit_code, 2);
  EXPECT_EQ(shell(eval + "runs").exit_code, 2);
}

TEST_F(Ownership, AFileSizeLimitIsAnErrorWithItsCode) {
  const auto tokenised = shell("ulimit -f 1; $INGOT tokenize p/a.txt --out tok --tokenizer bytes");
  EXPECT_EQ(tokenised.exit_code, 3) << tokenised.err;
  EXPECT_FALSE(fs::exists(folder / "tok"));
  const auto trained = shell("ulimit -f 40; $INGOT train small.yaml");
  EXPECT_EQ(trained.exit_code, 4) << trained.err;
  EXPECT_TRUE(has(trained.err, "ulimit -f"));
}

TEST_F(Ownership, EveryCommandNoticesAFullStdout) {
  ASSERT_EQ(train({}).exit_code, 0);
  for (const char* arguments :
       {"--help", "--version", "train --help", "list", "list --markdown pages", "config check small.yaml",
        "config show small.yaml", "config schema", "plan small.yaml", "status runs/t", "stop runs/t",
        "sample runs/t --tokens 3", "sample runs/t --tokens 3 --json", "eval runs/t --ids 1,2,3", "data show runs/t",
        "data verify runs/t", "tokenize p/a.txt --out tok --tokenizer bytes"}) {
    const auto result = shell(std::string("$INGOT ") + arguments + " >/dev/full");
    EXPECT_EQ(result.exit_code, 1) << arguments << result.err;
    EXPECT_TRUE(has(result.err, "cannot write to stdout")) << arguments;
  }
  EXPECT_EQ(shell("$INGOT list >&-").exit_code, 1) << "a closed one";
}

TEST_F(Ownership, NamesThatAreNotUtf8AreReadOrRefusedBeforeTheWork) {
  fs::create_directory(folder / "d");
  fs::rename(folder / "p/a.txt", folder / "d/caf\xE9.txt");
  EXPECT_EQ(ingot({"tokenize", "d", "--out", "tok", "--tokenizer", "bytes", "--json"}).exit_code, 0);
  const auto trained = train({"data.train.paths=d"});
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_EQ(ingot({"data", "show", "runs/t"}).exit_code, 0);
  const auto named = train({"data.train.paths=d/caf\xE9.txt", "run.name=u"});
  EXPECT_EQ(named.exit_code, 2);
  EXPECT_TRUE(has(named.err, "caf\\xE9.txt' is not in UTF-8"));
  const auto variable =
      shell("NAME=$(printf 'd/caf\\351') $INGOT train small.yaml 'data.train.paths=$NAME.txt' run.name=u");
  EXPECT_EQ(variable.exit_code, 2) << variable.err;
  EXPECT_FALSE(fs::exists(folder / "runs/u"));
}

TEST_F(Ownership, SamplesReachTheLogWithoutControlCharacters) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\x1b[31mred\x1b[0m \a\n";
  write_raw(folder / "p/a.txt", text);
  const auto result = train({"train.duration=40 steps", "evaluation.sample_tokens=200"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t'; };
  const std::string log = read_file(folder / "runs/t/log.txt");
  EXPECT_EQ(std::count_if(log.begin(), log.end(), is_control), 0);
  EXPECT_EQ(std::count_if(result.err.begin(), result.err.end(), is_control), 0);
  EXPECT_TRUE(has(log, "\\x1B"));
  // Another program that reads a sample gets its bytes.
  EXPECT_TRUE(has(ingot({"sample", "runs/t", "--tokens", "200"}).out, "\x1b"));
  const auto mistyped = ingot({"status", "a\x1b[31mb"});
  EXPECT_EQ(mistyped.err.find('\x1b'), std::string::npos) << mistyped.err;
}

}  // namespace
}  // namespace ingot
