// What the program says of command lines and values that make no sense.

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/text.h"
#include "cli/program.h"

namespace ingot {
namespace {

using namespace testing;

class Usage : public Program {
 protected:
  /// The message of `config check` with these settings, which must refuse them.
  std::string refusal(const std::vector<std::string>& settings) const {
    std::vector<std::string> line{"config", "check", tiny()};
    for (const auto& setting : settings) line.insert(line.end(), {"--set", setting});
    const auto result = ingot(line);
    EXPECT_EQ(result.exit_code, 2) << join(settings, " ") << "\n" << result.err;
    return result.err;
  }
};

TEST_F(Usage, AMistypedCommandIsNamed) {
  EXPECT_TRUE(has(ingot({"trian", "x.yaml"}).err, "no command 'trian'", "(did you mean 'train'?)"));
  EXPECT_TRUE(has(ingot({"config", "chekc", "x.yaml"}).err, "no command 'config chekc'", "(did you mean 'check'?)"));
  EXPECT_TRUE(has(ingot({}).err, "no command given, expected one of train, plan"));
  EXPECT_TRUE(has(ingot({"bench"}).err, "bench: no command given, expected one of op, step, decode"));
  EXPECT_TRUE(has(ingot({"train", tiny(), "--nprok", "2"}).err, "'--nprok' (did you mean '--nproc'?)"));
  EXPECT_TRUE(has(ingot({"--verion"}).err, "unknown option '--verion' (did you mean '--version'?)"));
  EXPECT_TRUE(has(ingot({"sample", "a", "--prompt"}).err, "sample: --prompt: its value is missing"));
  EXPECT_EQ(ingot({"bench", "--help"}).exit_code, 0);
}

TEST_F(Usage, ValuesOfOptionsAreRefusedInOneLine) {
  const auto refused = [&](const std::vector<std::string>& line, const std::string& expected) {
    const auto result = ingot(line);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_TRUE(has(result.err, expected)) << result.err;
    EXPECT_LT(result.err.size(), 200u) << result.err;
  };
  refused({"sample", "a", "--tokens", "0"}, "--tokens: out of range: '0', expected a whole number from 1");
  refused({"sample", "a", "--tokens", "many"}, "--tokens: found 'many', expected a whole number from 1");
  refused({"sample", "a", "--tokens", "99999999999999999999"}, "--tokens: found '99999999999999999999'");
  refused({"sample", "a", "--temperature", "1e999"}, "--temperature: found '1e999', expected a number from 0");
  refused({"sample", "a", "--top-p", "2"}, "--top-p: out of range: '2', expected a number from 0 to 1");
  refused({"train", "a.yaml", "--nproc", "0"}, "--nproc: out of range: '0'");
  refused({"train", "a.yaml", "--nproc", "100000"}, "--nproc: out of range: '100000'");
  refused({"convert", "a", "--out", "b", "--to", "fodled"}, "(did you mean 'folded'?)");
  refused({"bench", "op", "--dtype", "fp64"}, "--dtype: found 'fp64', expected one of auto, bf16, fp32");
}

TEST_F(Usage, ZeroIsNoCadence) {
  const std::vector<std::string> keys{"evaluation.every", "log.every", "log.stream", "checkpoint.every"};
  for (const std::string zero : {"0 steps", "0 tokens", "0%", "0 s"}) {
    std::vector<std::string> settings{"distributed.check_every=0", "train.time_limit=0 s", "distributed.timeout=0 s"};
    for (const auto& key : keys) settings.push_back(cat(key, "=", zero));
    if (zero != "0 s") settings.push_back(cat("checkpoint.keep_every=", zero));
    const auto message = refusal(settings);
    for (const auto& setting : settings) {
      const auto key = setting.substr(0, setting.find('='));
      EXPECT_TRUE(has(message, cat(key, ": out of range: '0"))) << setting << "\n" << message;
    }
  }
  EXPECT_EQ(ingot({"config", "check", tiny(), "--set", "distributed.check_every=null"}).exit_code, 0);
}

TEST_F(Usage, WhatNoMachineCanMeanIsRefusedByItsKey) {
  const std::vector<std::string> values = {"train.threads=5000",
                                           "train.micro_batch=1000000000000",
                                           "data.seq_len=1000000000000",
                                           "optim.optimizer.lr=.inf",
                                           "optim.optimizer.weight_decay=1e300",
                                           "model.d_model=1000000000000",
                                           "model.meta_tokens=1000000000000",
                                           "model.vocab_multiple=1000000000000",
                                           "model.operators.F.ffn.width=1e300x",
                                           "model.operators.A.mixer.window=1000000000000",
                                           "evaluation.sample_tokens=1000000000000"};
  const auto all = refusal(values);
  for (const auto& value : values) EXPECT_TRUE(has(all, cat(" ", value.substr(0, value.find('=')), ": "))) << all;
  EXPECT_TRUE(has(refusal({"train.global_batch=1000000000000000 sequences", "model.layers=100000x(F)"}),
                  "train.global_batch: out of range: 1,000,000,000,000,000 sequences", "model.layers: "));
  EXPECT_TRUE(has(refusal({"train.global_batch=1000000000000000000 tokens"}), "train.global_batch: "));
  EXPECT_TRUE(has(refusal({"train.duration=1000000000000000000 steps"}), "train.duration: out of range: "));
  const auto wide = refusal({"model.d_model=1048576", "model.operators.F.ffn.width=1000x", "model.layers=900x(F)"});
  EXPECT_TRUE(has(wide, "'layers.0.ffn.gate.weight' would have 1099.5T values")) << wide;
  EXPECT_EQ(ingot({"config", "check", tiny(), "--set", "model.layers=4096x(F)"}).exit_code, 0);
}

TEST_F(Usage, APhaseOfTheScheduleThatDoesNotFitIsWarnedOfAtItsPlace) {
  write_raw(folder / "long.yaml", "extends: " + tiny() + "\noptim:\n  schedule: {type: linear, warmup: 90 steps}\n");
  const auto result = ingot({"config", "check", "long.yaml"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(has(result.err, "long.yaml:3:3: optim.schedule: a warm-up of 90 updates in a run of 4")) << result.err;
  EXPECT_FALSE(has(ingot({"config", "check", tiny()}).err, "warm-up"));
}

TEST_F(Usage, PathsWithSpecialCharactersOnTheCommandLine) {
  const auto shown = [&](const std::string& key, const std::string& value) {
    const auto result = ingot({"config", "show", tiny(), "--field", key, "--set", key + "=" + value});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(shown("run.name", "exp # 3"), "'exp # 3'\n");
  EXPECT_TRUE(has(shown("data.cache", "dir #1/a"), "/dir #1/a"));
  EXPECT_TRUE(has(shown("data.cache", "price$5/a"), "/price$5/a"));
  EXPECT_TRUE(has(shown("data.cache", "a$$HOME"), "/a$HOME"));
  // What `show` writes is a config that says the same, whether all names are set or not.
  const auto all = ingot({"config", "show", tiny(), "--set", "data.cache=a$$HOME"});
  EXPECT_TRUE(has(all.out, "a$$HOME")) << all.out;
  const auto unset = ingot({"config", "show", tiny(), "--set", "data.cache=$INGOT_UNSET_NAME/a"});
  EXPECT_TRUE(has(unset.out, "cache: $INGOT_UNSET_NAME/a")) << unset.out;
}

}  // namespace
}  // namespace ingot
