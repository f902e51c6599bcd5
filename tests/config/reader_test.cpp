#include "config/reader.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/text.h"
#include "config/dump.h"
#include "config/sample.h"

namespace ingot {
namespace {

using namespace sample;

struct Result {
  Config config;
  std::vector<std::string> problems;
};

Result read(const std::string& text, const std::vector<std::string>& overrides = {}, const ReadOptions& options = {}) {
  const Document document = Document::parse(text, "run.yaml", overrides, "/base");
  Problems problems(document);
  Result result;
  read_config(document, lookup(), result.config, problems, options);
  result.problems = problems.lines();
  return result;
}

Config good(const std::vector<std::string>& overrides = {}) {
  Result result = read(kGood, overrides);
  EXPECT_EQ(result.problems, std::vector<std::string>{});
  return result.config;
}

/// The good config with one piece replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = kGood;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

using Lines = std::vector<std::string>;

TEST(Reader, ReadsEveryKindOfField) {
  const Config c = good();
  EXPECT_EQ(c.name, "test");
  EXPECT_EQ(c.model.d_model, 64);
  EXPECT_EQ(c.model.layers, "2x(AF MF)");
  ASSERT_EQ(c.model.operators.size(), 3u);
  EXPECT_EQ(c.model.operators[0].first, "A");
  const auto& attention = settings_as<Attention>(c.model.operators[0].second.mixer->settings());
  EXPECT_EQ(attention.num_heads, 8);
  EXPECT_EQ(attention.num_kv_heads, 4);
  EXPECT_EQ(settings_as<Rope>(attention.position.settings()).theta, 10000);
  EXPECT_EQ(c.model.operators[1].second.mixer->name(), "mamba2");
  EXPECT_EQ(settings_as<Mamba>(c.model.operators[1].second.mixer->settings()).state_dim, 128);
  EXPECT_EQ(c.model.operators[2].second.ffn_width->resolve(96), 256);
  EXPECT_EQ(settings_as<Norm>(c.model.norm.settings()).eps, 1e-5);
  EXPECT_EQ(c.data.paths, (Lines{"/base/text/a.txt", "/abs/b.txt"}));
  EXPECT_EQ(c.data.validation.fraction, 0.01);
  EXPECT_EQ(settings_as<Adam>(c.optim.optimizer.settings()).lr, 3e-4);
  ASSERT_EQ(c.optim.groups.size(), 2u);
  EXPECT_EQ(c.optim.groups[0].match.role, (OneOrMany<Role>{Role::kGain}));
  EXPECT_EQ(c.optim.groups[1].match.role, (OneOrMany<Role>{Role::kInner, Role::kBias}));
  EXPECT_EQ(c.optim.groups[1].match.depth->resolve(8), (std::pair<std::int64_t, std::int64_t>{0, 1}));
  EXPECT_EQ(c.optim.groups[1].match.name, (OneOrMany<std::string>{"layers.*"}));
  EXPECT_EQ(c.train.duration, (Duration{1.5e9, Duration::Unit::kTokens}));
  EXPECT_EQ(c.train.global_batch.sequences(256), 2048);
  EXPECT_TRUE(c.train.micro_batch.is_auto());
}

TEST(Reader, BindsAbsentVariantsToDefaults) {
  const Config c = good({"~model.norm"});
  ASSERT_TRUE(c.model.norm.bound());
  EXPECT_EQ(c.model.norm.entry().name, "rms_norm");
  EXPECT_EQ(settings_as<Norm>(c.model.norm.settings()).eps, 1e-6);
}

TEST(Reader, MappingWithoutTypeAppliesToTheDefaultVariant) {
  const Config c = good({"~model.norm", "model.norm.eps=1e-3"});
  EXPECT_EQ(c.model.norm.name(), "rms_norm");
  EXPECT_EQ(settings_as<Norm>(c.model.norm.settings()).eps, 1e-3);
  EXPECT_EQ(read(with("{type: adamw, lr: 3e-4}", "{lr: 3e-4}")).problems,
            (Lines{"run.yaml:14:3: optim.optimizer: missing key 'type', expected one of: adamw, sgd"}));
}

TEST(Reader, VariantsNeedAName) {
  for (const std::string value : {"''", "null", "[]", "{type: null}", "{type: [rms_norm]}"}) {
    EXPECT_EQ(read(kGood, {"model.norm=" + value}).problems.size(), 1u) << value;
  }
}

TEST(Reader, ReportsAllProblemsAtOnceSortedByPlace) {
  const auto result = read(R"(name: [a]
model:
  d_model: 0
  layers: 4
  norm: {type: rmsnorm}
  tie_embeddings: yes
optim:
  optimizer: {type: adamw, momentum: 0.9, lr: fast}
  lr: 1
train:
  duration: 100
  global_batch: 0 sequences
)");
  EXPECT_EQ(result.problems,
            (Lines{"run.yaml:1:1: name: found a list, expected text",
                   "run.yaml:3:12: model.d_model: out of range: '0', expected >= 1",
                   "run.yaml:5:16: model.norm: no variant 'rmsnorm' in norms (did you mean 'rms_norm'?)",
                   "run.yaml:6:19: model.tie_embeddings: found 'yes', expected true or false (write true)",
                   "run.yaml:8:28: optim.optimizer.momentum: unknown key; it is a key of 'sgd'",
                   "run.yaml:8:47: optim.optimizer.lr: found 'fast', expected a number",
                   "run.yaml:9:3: optim.lr: unknown key here (did you mean 'optim.optimizer.lr'?)",
                   "run.yaml:11:13: train.duration: found '100', expected a duration such as '2000 steps', "
                   "'1.5B tokens', '3 epochs', '2%' or '20 tokens/parameter'",
                   "run.yaml:12:17: train.global_batch: found '0 sequences', expected a batch such as '256 "
                   "sequences' or '512Ki tokens'"}));
}

struct Mistake {
  const char* from;
  const char* to;
  const char* line;
};

class ReaderMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(ReaderMistakes, HaveOneClearLine) {
  EXPECT_EQ(read(with(GetParam().from, GetParam().to)).problems, (Lines{GetParam().line}));
}

INSTANTIATE_TEST_SUITE_P(
    Realistic, ReaderMistakes,
    testing::Values(
        Mistake{"num_heads: 8", "n_heads: 8",
                "run.yaml:6:34: model.operators.A.mixer.n_heads: unknown key (did you mean 'num_heads'?)"},
        Mistake{"mixer: mamba2", "mixer: mamba",
                "run.yaml:7:16: model.operators.M.mixer: no variant 'mamba' in mixers (did you mean 'mamba2'?)"},
        Mistake{"mixer: mamba2", "mixer: {type: mamba2, window: 4}",
                "run.yaml:7:31: model.operators.M.mixer.window: unknown key; it is a key of 'attention'"},
        Mistake{"  d_model: 64\n", "", "run.yaml:2:1: model.d_model: missing: width of the stream"},
        Mistake{"d_model: 64", "d_model: '64'",
                "run.yaml:3:12: model.d_model: found '64', expected an integer (remove the quotes)"},
        Mistake{"d_model: 64", "d_model: 64.0",
                "run.yaml:3:12: model.d_model: found '64.0', expected an integer (write 64)"},
        Mistake{"d_model: 64", "d_model: 064",
                "run.yaml:3:12: model.d_model: found '064', expected an integer (YAML reads a leading 0 as octal; "
                "write 64)"},
        Mistake{"lr: 3e-4", "lr: -3e-4", "run.yaml:14:32: optim.optimizer.lr: out of range: '-3e-4', expected > 0"},
        Mistake{"lr: 3e-4", "lr: .inf",
                "run.yaml:14:32: optim.optimizer.lr: out of range: '.inf', expected a number that fp32 holds, > 0"},
        Mistake{"lr: 3e-4", "lr: 1e300",
                "run.yaml:14:32: optim.optimizer.lr: out of range: '1e300', expected a number that fp32 holds, > 0"},
        Mistake{
            "8/3x", "1e300x",
            "run.yaml:8:20: model.operators.F.ffn_width: found '1e300x', expected a width such as '2048', or '3x' or "
            "'8/3x' of d_model, at most 1,048,576 or 1000x"},
        Mistake{"lr: 3e-4", "lr: 3e-4, lr: 1e-4", "run.yaml:14:38: duplicate key 'lr', first set in line 14"},
        Mistake{"lr: 3e-4", "betas: 0.9",
                "run.yaml:14:35: optim.optimizer.betas: found '0.9', expected a list such as [0.9]"},
        Mistake{"lr: 3e-4", "betas: [0.9, 1.5]",
                "run.yaml:14:41: optim.optimizer.betas.1: out of range: '1.5', expected >= 0 and < 1"},
        Mistake{"name: test", "name: off",
                "run.yaml:1:7: name: found 'off', expected text (YAML reads it as a truth value; quote it if it is a "
                "name)"},
        Mistake{"name: test", "name: 010",
                "run.yaml:1:7: name: found '010', expected text (YAML reads a leading 0 as octal; quote it)"},
        Mistake{"name: test", "name: ${USER}",
                "run.yaml:1:7: name: '${' is not expanded here; quote the text if it is meant as it stands"},
        Mistake{"text/a.txt", "~/a.txt", "run.yaml:11:11: data.paths.0: '~' is not expanded, write $HOME/a.txt"},
        Mistake{"text/a.txt", "$INGOT_UNSET_NAME/a.txt",
                "run.yaml:11:11: data.paths.0: '$INGOT_UNSET_NAME/a.txt' uses $INGOT_UNSET_NAME, which is not set in "
                "the environment"},
        Mistake{"{fraction: 0.01}", "{fraction: 0.01, paths: [v.txt]}",
                "run.yaml:12:26: data.validation.fraction: excludes 'paths', which is set as well"},
        Mistake{"role: gain", "role: gains",
                "run.yaml:16:35: optim.groups.0.match.role: found 'gains', expected one of gain, bias, inner (did you "
                "mean 'gain'?)"},
        Mistake{"role: [inner, bias], depth:", "role: [inner, bias], dept:",
                "run.yaml:18:36: optim.groups.1.match.dept: unknown key (did you mean 'depth'?)"},
        Mistake{"global_batch: 512Ki tokens", "global_batch: 512Ki tokens\n  precision: bf32",
                "run.yaml:22:14: train.precision: found 'bf32', expected one of auto, fp32, bf16"},
        Mistake{"global_batch: 512Ki tokens", "global_batch: 512Ki tokens\n  every: 30 minutes",
                "run.yaml:22:10: train.every: found '30 minutes', expected a duration such as '2000 steps', '1.5B "
                "tokens', '3 epochs', '2%' or '20 tokens/parameter', or a time such as '30 min'"},
        Mistake{"data:", "datas: {}\ndata:", "run.yaml:10:1: datas: unknown key (did you mean 'data'?)"},
        Mistake{"train:\n  duration: 1.5B tokens\n  global_batch: 512Ki tokens\n", "train: fast\n",
                "run.yaml:19:8: train: found 'fast', expected a mapping with the keys duration, global_batch, "
                "micro_batch, precision, every, timeout, tokens, buffer"}));

TEST(Reader, OverridesHaveTheirOwnPlace) {
  EXPECT_EQ(read(kGood, {"optim.optimizer.lr=fast"}).problems,
            (Lines{"command line: 'optim.optimizer.lr=fast': optim.optimizer.lr: found 'fast', expected a number"}));
  EXPECT_EQ(
      read(kGood, {"model.norm={type: rms_norm, epz: 1}"}).problems,
      (Lines{
          "command line: 'model.norm={type: rms_norm, epz: 1}': model.norm.epz: unknown key (did you mean 'eps'?)"}));
}

TEST(Reader, OfTwoThatExcludeEachOtherTheLaterCounts) {
  const Config c = good({"data.validation.paths=[v.txt]"});
  EXPECT_FALSE(c.data.validation.fraction.has_value());
  EXPECT_EQ(c.data.validation.paths, (Lines{"/base/v.txt"}));
  const Config back = good({"data.validation.paths=[v.txt]", "data.validation.fraction=0.5"});
  EXPECT_EQ(back.data.validation.fraction, 0.5);
  EXPECT_TRUE(back.data.validation.paths.empty());
}

TEST(Reader, NullLeavesOptionalValuesOut) {
  const Config c = good({"data.validation.fraction=null", "optim.groups.0.optimizer=~"});
  EXPECT_FALSE(c.data.validation.fraction.has_value());
  EXPECT_FALSE(c.optim.groups[0].optimizer.has_value());
  EXPECT_EQ(read(kGood, {"model.d_model=null"}).problems,
            (Lines{"command line: 'model.d_model=null': model.d_model: found nothing, expected an integer"}));
}

TEST(Reader, StructsWithAShortFormTakeBoth) {
  EXPECT_EQ(good().data.documents.name, "file");
  EXPECT_EQ(good({"data.documents=line"}).data.documents.name, "line");
  EXPECT_EQ(good({"data.documents={separator: '###'}"}).data.documents.separator, "###");
  EXPECT_EQ(read(kGood, {"data.documents=lines"}).problems.size(), 1u);
  EXPECT_EQ(read(kGood, {"data.documents={seperator: x}"}).problems.size(), 2u);  // unknown, and missing
}

TEST(Reader, ExpandsNamesInPathsOnly) {
  ::setenv("INGOT_TEST_ROOT", "/data", 1);
  const Config c = good({"data.paths=['$INGOT_TEST_ROOT/a', '${INGOT_TEST_ROOT}x/b', ../c]", "name=$INGOT_TEST_ROOT"});
  EXPECT_EQ(c.data.paths, (Lines{"/data/a", "/datax/b", "/c"}));
  EXPECT_EQ(c.name, "$INGOT_TEST_ROOT");
  const Config dollars = good({"data.paths=[/a$5/b, /a$$INGOT_TEST_ROOT, '/$${x}', /$$$$, /a$]"});
  const Lines expected{"/a$5/b", "/a$INGOT_TEST_ROOT", "/${x}", "/$$", "/a$"};
  EXPECT_EQ(dollars.data.paths, expected);
  // What is written reads back to the same paths.
  const Document written = Document::parse(dump_config(dollars), "written.yaml");
  Problems problems(written);
  Config again;
  read_config(written, lookup(), again, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(again.data.paths, expected);
  const Result loose = read(kGood, {"data.paths=[$INGOT_UNSET_NAME/a]"}, {.accept_unset_names = true});
  EXPECT_TRUE(loose.problems.empty());
  EXPECT_EQ(loose.config.data.paths, (Lines{"$INGOT_UNSET_NAME/a"}));
}

TEST(Reader, AutoIsNoPath) {
  EXPECT_TRUE(good({"data.cache=auto"}).data.cache.is_auto());
  EXPECT_EQ(good({"data.cache=cache"}).data.cache.value(), "/base/cache");
  EXPECT_EQ(good({"data.cache='auto'"}).data.cache.value(), "/base/auto");
}

TEST(Reader, CrossFieldProblemsAreShownAtTheNearestNode) {
  const Document document = Document::parse(kGood, "run.yaml");
  Problems problems(document);
  Config c;
  read_config(document, lookup(), c, problems);
  problems.add("model.operators.A.mixer.num_heads", "must divide d_model");
  problems.add("model.operators.A.mixer.num_kv_heads", "must divide num_heads");
  problems.add("optim.groups.1.match.name", "matches nothing");
  problems.add("checkpoint", "section");
  EXPECT_EQ(problems.lines(), (Lines{"run.yaml:1:1: checkpoint: section",
                                     "run.yaml:6:9: model.operators.A.mixer.num_kv_heads: must divide num_heads",
                                     "run.yaml:6:45: model.operators.A.mixer.num_heads: must divide d_model",
                                     "run.yaml:18:60: optim.groups.1.match.name: matches nothing"}));
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_TRUE(std::string(error.what()).ends_with("\n4 problems"));
    EXPECT_EQ(error.code(), ExitCode::kConfig);
  }
}

TEST(Reader, BindDefaultsServesConfigsMadeInCode) {
  Attention attention;
  bind_defaults(lookup(), attention);
  EXPECT_TRUE(attention.position.bound());
}

}  // namespace
}  // namespace ingot
