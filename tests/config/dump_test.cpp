#include "config/dump.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "config/sample.h"

namespace ingot {
namespace {

using namespace sample;

Config load(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const Document document = Document::parse(text, "run.yaml", overrides, "/base");
  Problems problems(document);
  Config config;
  read_config(document, lookup(), config, problems);
  problems.throw_if_any();
  return config;
}

TEST(Dump, WritesEveryValueForPeople) {
  EXPECT_EQ(dump_config(load(kGood)), R"(name: test
dir: ''
model:
  d_model: 64
  layers: 2x(AF MF)
  operators:
    A:
      mixer:
        type: attention
        num_heads: 8
        num_kv_heads: 4
        window: null
        position: {type: rope, theta: 10000.0}
      ffn_width: null
    M: {mixer: {type: mamba2, state_dim: 128}, ffn_width: null}
    F: {mixer: null, ffn_width: 8/3x}
  norm: {type: rms_norm, eps: 1.0e-05}
  tie_embeddings: false
data:
  paths: [/base/text/a.txt, /abs/b.txt]
  documents: file
  validation: {fraction: 0.01, paths: []}
  cache: auto
optim:
  optimizer: {type: adamw, lr: 0.0003, betas: [0.9, 0.95], weight_decay: 0.0}
  groups:
    - name: gains
      match: {role: [gain], depth: null, name: []}
      optimizer: {type: sgd, lr: 0.1, momentum: 0.0}
    - {name: early, match: {role: [inner, bias], depth: 0%..25%, name: [layers.*]}, optimizer: null}
train:
  duration: 1.5B tokens
  global_batch: 512Ki tokens
  micro_batch: auto
  precision: auto
  every: 100 steps
  timeout: 10 min
  tokens: 1M
  buffer: 64 MiB
)");
}

TEST(Dump, ReadsBackToTheSame) {
  for (const std::vector<std::string>& overrides : {std::vector<std::string>{},
                                                    {"data.documents={separator: \"\\n\\n\"}", "model.norm=none"},
                                                    {"train.micro_batch=3", "train.precision=bf16",
                                                     "train.every=30 min", "optim.groups=[]", "model.operators={}"}}) {
    const Config config = load(kGood, overrides);
    const std::string text = dump_config(config);
    EXPECT_EQ(dump_config(load(text)), text);
    EXPECT_TRUE(diff(flatten(config), flatten(load(text))).empty());
  }
}

TEST(Dump, QuotesOnlyWhatNeedsIt) {
  const auto name_line = [](const std::string& name) {
    Config config = load(kGood);
    config.name = name;
    const std::string text = dump_config(config);
    EXPECT_EQ(load(text).name, name) << text;
    return text.substr(6, text.find("\ndir:") - 6);
  };
  EXPECT_EQ(name_line("a b-c.d/e_f"), "a b-c.d/e_f");
  EXPECT_EQ(name_line("2x(DF)"), "2x(DF)");
  EXPECT_EQ(name_line("it's"), "it's");
  EXPECT_EQ(name_line("Größe"), "Größe");
  EXPECT_EQ(name_line("off"), "'off'");
  EXPECT_EQ(name_line("No"), "'No'");
  EXPECT_EQ(name_line("null"), "'null'");
  EXPECT_EQ(name_line("1e3"), "'1e3'");
  EXPECT_EQ(name_line("007"), "'007'");
  EXPECT_EQ(name_line("-1"), "'-1'");
  EXPECT_EQ(name_line("0x1F"), "'0x1F'");
  EXPECT_EQ(name_line("12:30"), "'12:30'");
  EXPECT_EQ(name_line("2001-12-14"), "'2001-12-14'");
  EXPECT_EQ(name_line("a: b"), "'a: b'");
  EXPECT_EQ(name_line("*"), "'*'");
  EXPECT_EQ(name_line("'a'"), "'''a'''");
  EXPECT_EQ(name_line("a # b"), "'a # b'");
  EXPECT_EQ(name_line("{x"), "'{x'");
  EXPECT_EQ(name_line(" x"), "' x'");
  EXPECT_EQ(name_line("${x}"), "'${x}'");
  EXPECT_EQ(name_line("a\nb\t\"\\"), "\"a\\nb\\t\\\"\\\\\"");
  EXPECT_EQ(name_line(std::string("\x01\x7f\xE2\x80\xA8", 5)), "\"\\x01\\x7F\\L\"");
}

TEST(Dump, AnyTextReadsBack) {
  RandomStream random(5, "dump");
  const std::string alphabet = " \n\t'\"\\#:,-?[]{}&*!|>%@`~$.=<+0123abcnoyesNULLtrue/";
  for (int i = 0; i < 500; ++i) {
    Config config = load(kGood);
    config.name.clear();
    for (std::uint64_t n = random.below(12); n > 0; --n) config.name += alphabet[random.below(alphabet.size())];
    config.optim.groups[0].match.name = {config.name, "x"};
    const std::string text = dump_config(config);
    const Config back = load(text);
    ASSERT_EQ(back.name, config.name) << text;
    ASSERT_EQ(back.optim.groups[0].match.name[0], config.name) << text;
  }
}

TEST(Flatten, GivesPathsAndClasses) {
  const auto fields = flatten(load(kGood));
  const auto find = [&fields](const std::string& path) {
    const auto it = std::find_if(fields.begin(), fields.end(), [&](const FlatField& f) { return f.path == path; });
    EXPECT_NE(it, fields.end()) << path;
    return it != fields.end() ? *it : FlatField{};
  };
  EXPECT_EQ(find("model.norm.type").value, "rms_norm");
  EXPECT_EQ(find("model.operators.A.mixer.position.theta").value, "10000.0");
  EXPECT_EQ(find("optim.groups.1.match.role.0").value, "inner");
  EXPECT_EQ(find("optim.groups.1.optimizer").value, "null");
  EXPECT_EQ(find("data.validation.paths").value, "[]");
  EXPECT_EQ(find("model.d_model").field_class, FieldClass::kNumeric);
  EXPECT_EQ(find("data.paths.1").field_class, FieldClass::kFree);
  EXPECT_EQ(find("train.micro_batch").field_class, FieldClass::kLayout);
}

TEST(Diff, NamesWhatChangedAppearedAndVanished) {
  const auto differences = diff(flatten(load(kGood)), flatten(load(kGood, {"optim.optimizer=sgd", "name=other"})));
  const auto text = [](const std::optional<std::string>& value) { return value.value_or("-"); };
  std::vector<std::string> lines;
  for (const auto& d : differences) lines.push_back(d.path + " " + text(d.before) + " " + text(d.after));
  EXPECT_EQ(lines, (std::vector<std::string>{"name test other", "optim.optimizer.type adamw sgd",
                                             "optim.optimizer.lr 0.0003 0.1", "optim.optimizer.betas.0 0.9 -",
                                             "optim.optimizer.betas.1 0.95 -", "optim.optimizer.weight_decay 0.0 -",
                                             "optim.optimizer.momentum - 0.0"}));
  EXPECT_EQ(differences[0].field_class, FieldClass::kFree);
  EXPECT_EQ(differences[1].field_class, FieldClass::kNumeric);
}

TEST(NumericHash, DependsOnNumericFieldsAlone) {
  const std::string hash = numeric_hash(flatten(load(kGood)));
  EXPECT_EQ(hash.size(), 16u);
  EXPECT_EQ(numeric_hash(flatten(load(kGood, {"name=x", "train.micro_batch=2", "data.paths=[y]"}))), hash);
  EXPECT_NE(numeric_hash(flatten(load(kGood, {"optim.optimizer.lr=1e-4"}))), hash);
}

}  // namespace
}  // namespace ingot
