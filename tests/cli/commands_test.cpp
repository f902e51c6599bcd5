// The commands as a user runs them.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "cli/program.h"
#include "run/metrics.h"

namespace ingot {
namespace {

using namespace testing;

class Commands : public Program {
 protected:
  static std::set<std::string> names_in(const fs::path& path) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) names.insert(entry.path().filename().string());
    return names;
  }
};

TEST_F(Commands, HelpVersionAndUsage) {
  EXPECT_EQ(ingot({"--help"}).exit_code, 0);
  EXPECT_TRUE(has(ingot({"--version"}).out, "ingot ", "LibTorch 2.11.0"));
  EXPECT_TRUE(has(ingot({"train", "--help"}).out, "Example: ingot train"));
  const auto nothing = ingot({});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_EQ(ingot({"trian", "x.yaml"}).exit_code, 2);
  EXPECT_EQ(ingot({"train", "absent.yaml"}).exit_code, 2);
}

TEST_F(Commands, ThePagesOfVariantsAreUpToDate) {
  const auto listed = ingot({"list", "--markdown", "pages"});
  ASSERT_EQ(listed.exit_code, 0) << listed.err;
  const fs::path committed = source_path("docs/variants");
  EXPECT_EQ(names_in(folder / "pages"), names_in(committed)) << "run: build/ingot list --markdown docs/variants";
  for (const auto& name : names_in(folder / "pages")) {
    EXPECT_EQ(read_file(folder / "pages" / name), read_file(committed / name))
        << name << " is out of date, run: build/ingot list --markdown docs/variants";
  }
}

TEST_F(Commands, PagesReplaceNothingButPages) {
  fs::create_directory(folder / "pages");
  write_raw(folder / "pages/norms.md", "mine\n");
  const auto refused = ingot({"list", "--markdown", "pages"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_TRUE(has(refused.err, "pages/norms.md"));
  EXPECT_EQ(names_in(folder / "pages"), std::set<std::string>{"norms.md"});
  // Of what lies there only pages of families that are gone are removed.
  fs::rename(folder / "pages/norms.md", folder / "pages/mine.md");
  ASSERT_EQ(ingot({"list", "--markdown", "pages"}).exit_code, 0);
  fs::rename(folder / "pages/norms.md", folder / "pages/gone.md");
  ASSERT_EQ(ingot({"list", "--markdown", "pages"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(folder / "pages/gone.md"));
  EXPECT_EQ(read_file(folder / "pages/mine.md"), "mine\n");
}

TEST_F(Commands, ListSpeaksJson) {
  const auto all = nlohmann::json::parse(ingot({"list", "--json"}).out);
  EXPECT_TRUE(all.contains("norms"));
  for (const auto& entry : all.at("norms")) EXPECT_TRUE(entry.contains("paper")) << entry;
  EXPECT_EQ(ingot({"list", "nroms"}).exit_code, 2);
}

TEST_F(Commands, EveryConfigOfTheProjectIsFine) {
  for (const auto& entry : fs::recursive_directory_iterator(source_path("configs"))) {
    if (entry.path().extension() != ".yaml") continue;
    const auto result = ingot({"config", "check", entry.path().string()});
    EXPECT_EQ(result.exit_code, 0) << entry.path() << "\n" << result.err;
  }
}

TEST_F(Commands, ShowIsAConfigThatShowsTheSame) {
  const auto shown = ingot({"config", "show", tiny()});
  ASSERT_EQ(shown.exit_code, 0) << shown.err;
  write_raw(folder / "shown.yaml", shown.out);
  const auto again = ingot({"config", "show", "shown.yaml"});
  EXPECT_EQ(again.out, shown.out) << again.err;
}

TEST_F(Commands, DiffNamesTheEffectOrSaysThatThereIsNone) {
  write_raw(folder / "norm.yaml", "extends: " + tiny() + "\nmodel: {norm: layer_norm}\n");
  const auto norm = ingot({"config", "diff", tiny(), "norm.yaml"}).out;
  EXPECT_TRUE(has(norm, "model.norm", "which changes", "input layer_norm"));
  write_raw(folder / "name.yaml", "extends: " + tiny() + "\nrun: {name: other}\n");
  const auto name = ingot({"config", "diff", tiny(), "name.yaml"}).out;
  EXPECT_TRUE(has(name, "differs in", "no effect: "));
  // With no norm anywhere, the eps of the norm is a dead switch.
  const std::string bare =
      "extends: " + tiny() + "\nmodel: {sites: {final: none}, overrides: [{sites: {input: none}}], norm: {eps: ";
  write_raw(folder / "dead1.yaml", bare + "1e-6}}\n");
  write_raw(folder / "dead2.yaml", bare + "1e-3}}\n");
  const auto dead = ingot({"config", "diff", "dead1.yaml", "dead2.yaml"}).out;
  EXPECT_TRUE(has(dead, "differs only in model.norm.eps", "no effect: model.norm.eps"));
  EXPECT_EQ(ingot({"config", "diff", tiny(), tiny()}).out, "no difference\n");
}

TEST_F(Commands, PlanGivesSizesWithoutData) {
  const auto result = ingot({"plan", source_path("configs/nemotron_flash_1b.yaml"), "--json", "--params"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto plan = nlohmann::json::parse(result.out);
  EXPECT_EQ(plan["parameters"]["total"], 965389440);
  for (const char* key : {"weights", "masters", "gradients", "optimizer", "activations", "total"}) {
    EXPECT_GT(plan["memory"][key].get<std::int64_t>(), 0) << key;
  }
  std::int64_t by_role = 0;
  for (const auto& [role, count] : plan["parameters"]["by_role"].items()) by_role += count.get<std::int64_t>();
  EXPECT_EQ(by_role, 965389440);
  double items = 0;
  for (const auto& item : plan["flops_items"]) items += item["forward"].get<double>();
  EXPECT_NEAR(3 * items, plan["flops_per_token"].get<double>(), 1);
  EXPECT_EQ(plan["tokens_per_step"], 512 * 4096);
  EXPECT_FALSE(plan["params"].empty());
}

TEST_F(Commands, ARunCanBeEvaluatedSampledShownAndVerified) {
  ASSERT_EQ(ingot({"train", tiny()}).exit_code, 0);
  write_raw(folder / "text.txt", "At noon, the miller walked slowly to the harbour.");
  const auto result = ingot({"eval", "runs/tiny", "--text", "text.txt", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto eval = nlohmann::json::parse(result.out);
  EXPECT_EQ(eval["tokens"], 49);
  EXPECT_EQ(eval["bytes"], 49) << "the bytes of the file";
  EXPECT_GT(eval["loss"].get<double>(), 0);
  const auto sample = ingot({"sample", "runs/tiny", "--prompt", "At ", "--tokens", "5", "--seed", "3"});
  EXPECT_EQ(sample.exit_code, 0) << sample.err;
  EXPECT_EQ(sample.out.substr(0, 3), "At ");
  EXPECT_EQ(ingot({"sample", "runs/tiny", "--prompt", "At ", "--tokens", "5", "--seed", "3"}).out, sample.out);
  ASSERT_EQ(ingot({"eval", "runs/tiny", "--ids", "12,5,99", "--logits", "logits.safetensors"}).exit_code, 0);
  EXPECT_EQ(SafetensorsFile(folder / "logits.safetensors").tensor("logits").sizes(),
            (std::vector<std::int64_t>{3, 257}));
  EXPECT_EQ(ingot({"eval", "runs/tiny", "--ids", "12,x"}).exit_code, 2);
  EXPECT_EQ(ingot({"eval", "runs/tiny", "--ids", "12,9999"}).exit_code, 3);
  EXPECT_TRUE(has(ingot({"data", "show", "runs/tiny", "--step", "2"}).out, "the"));
  EXPECT_EQ(ingot({"data", "verify", "runs/tiny"}).exit_code, 0);
  EXPECT_TRUE(has(ingot({"status", "runs/tiny"}).out, "done at step 4"));
  EXPECT_EQ(ingot({"status", "nowhere"}).exit_code, 2);
  EXPECT_EQ(ingot({"eval", "nowhere", "--ids", "1,2"}).exit_code, 4);
}

TEST_F(Commands, TextEndsWithTheLearnedPositions) {
  const auto train = [&](const std::string& prompt) {
    return ingot({"train", tiny(), "train.duration=1 steps", "model.position=learned", "evaluation.sample_tokens=200",
                  "evaluation.prompts=[\"" + prompt + "\"]", "run.name=" + std::to_string(prompt.size())});
  };
  const auto too_long = train(std::string(33, 'a'));  // bytes, of 32 positions
  EXPECT_EQ(too_long.exit_code, 2);
  EXPECT_TRUE(has(too_long.err, "evaluation.prompts[0]: a document of 33 tokens, expected at most 32")) << too_long.err;

  ASSERT_EQ(train("At").exit_code, 0);
  const auto sample = ingot({"sample", "runs/2", "--prompt", "At", "--tokens", "90", "--ignore-eos", "--json"});
  ASSERT_EQ(sample.exit_code, 0) << sample.err;
  EXPECT_EQ(nlohmann::json::parse(sample.out)["samples"][0]["ids"].size(), 31);  // the last one is not fed
  EXPECT_TRUE(has(sample.err, "32 positions")) << sample.err;
  EXPECT_EQ(ingot({"sample", "runs/2", "--prompt", std::string(33, 'a')}).exit_code, 2);
}

TEST_F(Commands, PlanOfOneOfSeveralRanks) {
  const auto memory = [&](const std::vector<std::string>& more) {
    std::vector<std::string> line{"plan", tiny(), "--no-measure", "--json", "train.precision=bf16"};
    line.insert(line.end(), more.begin(), more.end());
    const auto result = ingot(line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out).at("memory");
  };
  const auto alone = memory({}), whole = memory({"--nproc", "4"});
  EXPECT_EQ(whole.at("total"), alone.at("total"));
  const auto shared = memory({"--nproc", "4", "distributed.shard=optimizer"});
  EXPECT_LT(shared.at("optimizer"), 0.4 * alone.at("optimizer").get<double>());
  EXPECT_LT(shared.at("masters"), 0.5 * alone.at("masters").get<double>());
  EXPECT_EQ(shared.at("gradients"), alone.at("gradients"));
  EXPECT_EQ(shared.at("weights"), alone.at("weights"));
  const auto optimizer = memory({"--nproc", "4", "model.d_model=256", "distributed.shard=optimizer"});
  const auto gradients = memory({"--nproc", "4", "model.d_model=256", "distributed.shard=gradients"});
  EXPECT_LT(gradients.at("gradients"),
            0.7 * optimizer.at("gradients").get<double>());  // a quarter, and most of three buckets of an eighth
  EXPECT_EQ(gradients.at("masters"), optimizer.at("masters"));
}

TEST_F(Commands, ProbesMeasureAtTheirSteps) {
  const auto result = ingot({"train", tiny(), "log.stream=2 steps", "model.placement=post",
                             "log.probes=[{type: update_norms, every: 2 steps, match: {name: head.weight}}]",
                             "model.tie_embeddings=false", "optim.optimizer={type: adamw, lr: 1e-3}"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  std::map<std::int64_t, std::vector<double>> streams;  // by step
  std::map<std::int64_t, double> updates;
  for (const auto& line : read_metrics(folder / "runs/tiny/metrics.jsonl")) {
    if (line.at("kind") != "probe") continue;
    if (line.contains("values")) {
      streams[line.at("step")] = line.at("values").get<std::vector<double>>();
    } else {
      ASSERT_EQ(line.at("update").size(), 1u);
      updates[line.at("step")] = line.at("update").at("head.weight");
    }
  }
  ASSERT_EQ(streams.size(), 3u);  // 0, 2, 4
  for (const auto& [step, values] : streams) {
    EXPECT_EQ(values.size(), 9u);
    for (std::size_t i = 1; i < values.size(); ++i) EXPECT_NEAR(values[i], 1, 0.05) << step << " " << i;
  }
  ASSERT_EQ(updates.size(), 2u);  // 2, 4
  for (const auto& [step, norm] : updates) {
    EXPECT_GT(norm, 1e-3) << step;  // each entry of Adam's first updates moves by about the rate
    EXPECT_LT(norm, 1e-3 * std::sqrt(257 * 64.0)) << step;
  }
}

TEST_F(Commands, AProbeOfUpdatesGoesBySteps) {
  const auto result = ingot({"train", tiny(), "log.probes=[{type: update_norms, every: 5 min}]"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "log.probes.0.every", "update_norms", "expected steps"));
}

TEST_F(Commands, HeldOutDocumentsAreScoredWholeAndWrittenAsText) {
  ASSERT_EQ(ingot({"train", tiny(), "evaluation.tokens=64"}).exit_code, 0);
  const auto result = ingot({"eval", "runs/tiny", "--held-out", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto eval = nlohmann::json::parse(result.out);
  EXPECT_GT(eval["tokens"], 64) << "the cap is for evaluations during training";
  EXPECT_EQ(eval["sets"]["validation"]["loss"], eval["loss"]);
  EXPECT_EQ(ingot({"data", "text", "runs/tiny", "--out", "held_out.txt"}).exit_code, 0);
  EXPECT_EQ(ingot({"data", "text", "runs/tiny", "--train", "--out", "train.txt"}).exit_code, 0);
  const auto held_out = read_file(folder / "held_out.txt");
  const auto paragraphs = [](const std::string& text) {
    std::multiset<std::string> found;
    for (std::size_t at = 0, end; (end = text.find("\n\n", at)) != text.npos; at = text.find_first_not_of('\n', end)) {
      found.insert(text.substr(at, end - at));
    }
    return found;
  };
  auto both = paragraphs(read_file(folder / "train.txt"));
  both.merge(paragraphs(held_out));
  auto text = read_file(source_path("configs/test/tiny.txt"));
  while (text.ends_with('\n')) text.pop_back();
  EXPECT_EQ(both, paragraphs(text + "\n\n"));
  // All bytes but those of the separators.
  EXPECT_EQ(eval["bytes"].get<std::size_t>() + 2 * paragraphs(held_out).size(), held_out.size());
  const auto absent = ingot({"data", "text", "runs/tiny", "--name", "validaton", "--out", "x"});
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_TRUE(has(absent.err, "validaton", "did you mean 'validation'"));
  EXPECT_EQ(ingot({"train", tiny(), "~data.validation", "run.name=none"}).exit_code, 0);
  EXPECT_EQ(ingot({"eval", "runs/none", "--held-out"}).exit_code, 3);
  EXPECT_EQ(ingot({"data", "text", "runs/none", "--out", "x"}).exit_code, 3);
  EXPECT_FALSE(fs::exists(folder / "x"));
}

TEST_F(Commands, TextIsTokenisedWithANewOrAnExistingTokenizer) {
  const auto text = source_path("configs/test/tiny.txt");
  const std::string trained = "{type: sentencepiece, vocab_size: 400}";
  const auto made = ingot({"tokenize", text, "--out", "made", "--documents", "blank_line", "--tokenizer", trained});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto again = ingot(
      {"tokenize", text, "--out", "again", "--documents", "blank_line", "--tokenizer-file", "made/tokenizer.model"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(read_file(folder / "made/train.bin"), read_file(folder / "again/train.bin"));
  for (const auto& tokenizer : {std::vector<std::string>{}, {"--tokenizer", trained, "--tokenizer-file", "x"}}) {
    std::vector<std::string> arguments = {"tokenize", text, "--out", "none"};
    arguments.insert(arguments.end(), tokenizer.begin(), tokenizer.end());
    const auto wrong = ingot(arguments);
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_TRUE(has(wrong.err, "--tokenizer", "--tokenizer-file"));
  }
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST_F(Commands, ShowGivesOneValue) {
  EXPECT_EQ(ingot({"config", "show", tiny(), "--set", "run.name=other", "--field", "run.dir"}).out,
            (folder.path() / "runs/other").string() + "\n");
  const auto wrong = ingot({"config", "show", tiny(), "--field", "run.dri"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_TRUE(has(wrong.err, "did you mean 'run.dir'"));
}

TEST_F(Commands, MistakesInAConfigAreAllNamedWithTheirPlaces) {
  write_raw(folder / "bad.yaml", "extends: " + tiny() +
                                     "\nmodel:\n  d_modle: 64\n  norm: {type: rms_nrom}\n"
                                     "  operators:\n    A: {mixer: {type: attention, num_heads: three}}\n"
                                     "optim:\n  optimizer: {type: adamw, lr: -1}\n");
  const auto result = ingot({"train", "bad.yaml"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "bad.yaml:3:3", "d_modle", "did you mean 'd_model'", "bad.yaml:4:",
                  "did you mean 'rms_norm'", "bad.yaml:6:", "num_heads", "three", "bad.yaml:8:", "optim.optimizer.lr"));
  EXPECT_FALSE(fs::exists(folder / "runs"));
}

TEST_F(Commands, MistakesAcrossFieldsAreNamed) {
  const auto heads = ingot({"train", tiny(), "model.operators.A.mixer.num_heads=3"});
  EXPECT_EQ(heads.exit_code, 2);
  EXPECT_TRUE(has(heads.err, "model.operators.A.mixer", "3"));
  const auto pattern = ingot({"train", tiny(), "model.layers=DFXF"});
  EXPECT_EQ(pattern.exit_code, 2);
  EXPECT_TRUE(has(pattern.err, "model.layers", "'X'", "character 3"));
}

TEST_F(Commands, AGpuThatIsNotThereIsAConfigError) {
  if (ingot({"doctor", "--json"}).out.find("\"gpus\": []") == std::string::npos) GTEST_SKIP() << "there is one";
  const auto result = ingot({"train", tiny(), "train.device=cuda"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "train.device: cuda was asked for", "use 'cpu' or 'auto'"));
}

TEST_F(Commands, BadTextIsADataError) {
  write_raw(folder / "empty.txt", "");
  const auto empty = ingot({"train", tiny(), "data.train.paths=empty.txt"});
  EXPECT_EQ(empty.exit_code, 3);
  EXPECT_TRUE(has(empty.err, "empty.txt"));
  write_raw(folder / "binary.txt", std::string("ab\0cd", 5));
  const auto binary = ingot({"train", tiny(), "run.name=b", "data.train.paths=binary.txt"});
  EXPECT_EQ(binary.exit_code, 3);
  EXPECT_TRUE(has(binary.err, "binary.txt"));
  const auto vocabulary =
      ingot({"train", tiny(), "run.name=v", "data.tokenizer={type: sentencepiece, vocab_size: 60000}"});
  EXPECT_EQ(vocabulary.exit_code, 3);
}

}  // namespace
}  // namespace ingot
