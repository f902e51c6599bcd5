#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "checkpoint/safetensors.h"
#include "cli/command.h"
#include "objective/objective.h"
#include "train/evaluate.h"
#include "train/trained_model.h"

namespace ingot {
namespace {

struct Options {
  std::string run;
  std::string text;
  std::string ids;
  std::string logits;
  bool json = false;
};

std::vector<TokenId> parse_ids(const std::string& text, std::int64_t vocab_size) {
  std::vector<TokenId> ids;
  for (const auto& part : split(text, ',')) {
    const auto word = std::string(trim(part));
    std::size_t used = 0;
    std::int64_t id = -1;
    try {
      id = std::stoll(word, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (word.empty() || used != word.size())
      throw ConfigError(cat("--ids: '", word, "' is no token id, expected such as 12,5,99"));
    if (id < 0 || id >= vocab_size)
      throw DataError(cat("--ids: ", id, " is out of range, expected 0..", vocab_size - 1));
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

/// fp32 logits [T, V] of one document.
at::Tensor logits_of(const LanguageModel& model, const std::vector<TokenId>& ids) {
  c10::NoGradGuard no_grad;
  const std::vector<std::int64_t> wide(ids.begin(), ids.end());
  const auto hidden = model.forward(at::tensor(wide, at::kLong).unsqueeze(0), {}, false);
  return logits(hidden.select(0, 0), model.head());
}

std::string report(const TrainedModel& trained, const EvaluationResult& result, bool json) {
  if (!json) {
    auto text =
        cat("loss ", result.loss, " nats per token, perplexity ", result.perplexity(), ", ", result.tokens, " tokens");
    if (const auto bits = result.bits_per_byte())
      text += cat(", ", *bits, " bits per byte over ", *result.bytes, " bytes");
    return text;
  }
  nlohmann::ordered_json out = {{"checkpoint", trained.checkpoint.string()},
                                {"loss", result.loss},
                                {"perplexity", result.perplexity()},
                                {"bits_per_byte", nullptr},
                                {"tokens", result.tokens},
                                {"bytes", nullptr}};
  if (const auto bits = result.bits_per_byte()) out["bits_per_byte"] = *bits;
  if (result.bytes) out["bytes"] = *result.bytes;
  return out.dump(2);
}

ExitCode evaluate_run(const Options& options, const Families& families) {
  if (options.text.empty() == options.ids.empty()) throw ConfigError("eval: expected one of --text and --ids");
  const auto trained = open_trained_model(options.run, families);
  const auto& tokenizer = *trained.tokenizer;
  const auto ids = options.ids.empty() ? tokenizer.encode(read_file(options.text, ExitCode::kData))
                                       : parse_ids(options.ids, tokenizer.vocab_size());
  if (!options.logits.empty()) {
    write_safetensors(options.logits, {{"logits", logits_of(*trained.model, ids)}});
    if (options.ids.size() > 0 && ids.size() < 2) return ExitCode::kDone;
  }
  if (ids.size() < 2) throw DataError("eval: fewer than two tokens, nothing to score");
  const auto bytes = tokenizer.has_text() ? token_bytes(tokenizer) : std::vector<std::int32_t>();
  const auto window = options.ids.empty() ? trained.config.data.seq_len : static_cast<std::int64_t>(ids.size());
  print_result(report(trained, evaluate_ids(*trained.model, ids, window, bytes), options.json));
  return ExitCode::kDone;
}

}  // namespace

void add_eval(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("eval", "Score text with a trained model");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run or checkpoint directory")->required();
  command->add_option("--text", options->text, "a file: one document, scored in windows of seq_len");
  command->add_option("--ids", options->ids, "token ids of one document, such as 12,5,99");
  command->add_option("--logits", options->logits, "write fp32 logits [T, V] to this safetensors file")->needs("--ids");
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot eval runs/quickstart --text notes.txt --json");
  command->callback(
      [&line, options] { line.run = [&line, options] { return evaluate_run(*options, line.families); }; });
}

}  // namespace ingot
