#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/staged.h"
#include "base/text.h"
#include "checkpoint/safetensors.h"
#include "cli/command.h"
#include "cli/run_data.h"
#include "cli/trained_option.h"
#include "data/shards/corpus_scan.h"
#include "eval/evaluate.h"
#include "eval/trained_model.h"
#include "objective/objective.h"

namespace ingot {
namespace {

struct Options {
  std::string run;
  std::string text;
  std::string ids;
  std::string logits;
  bool held_out = false;
  WeightsKind weights = WeightsKind::kToEvaluate;
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
  const auto hidden = model.forward(at::tensor(wide, at::kLong).unsqueeze(0).to(model.device()), {}, false);
  return logits(hidden.select(0, 0), model.head());
}

std::string report_line(const EvaluationResult& result) {
  auto text = cat("loss ", result.loss, " nats per token, perplexity ", result.perplexity(), ", ",
                  format_grouped(result.tokens), " tokens");
  if (const auto bits = result.bits_per_byte())
    text += cat(", ", *bits, " bits per byte over ", format_grouped(*result.bytes), " bytes");
  return text;
}

nlohmann::ordered_json report_json(const EvaluationResult& result) {
  nlohmann::ordered_json out = {{"loss", result.loss},
                                {"perplexity", result.perplexity()},
                                {"bits_per_byte", nullptr},
                                {"tokens", result.tokens},
                                {"bytes", nullptr}};
  if (const auto bits = result.bits_per_byte()) out["bits_per_byte"] = *bits;
  if (result.bytes) out["bytes"] = *result.bytes;
  return out;
}

std::string report(const TrainedModel& trained, const EvaluationResult& result, bool json) {
  if (!json) return report_line(result);
  nlohmann::ordered_json out = {{"checkpoint", trained.checkpoint.string()}};
  out.update(report_json(result));
  return out.dump(2);
}

/// All sets together: the mean over their tokens.
EvaluationResult pooled(const std::vector<EvaluationResult>& results) {
  EvaluationResult all;
  all.bytes = 0;
  double nats = 0;
  for (const auto& result : results) {
    nats += result.loss * static_cast<double>(result.tokens);
    all.tokens += result.tokens;
    all.bytes = all.bytes && result.bytes ? std::optional(*all.bytes + *result.bytes) : std::nullopt;
  }
  all.loss = all.tokens > 0 ? nats / static_cast<double>(all.tokens) : 0;
  return all;
}

/// The run's held-out sets, whole: no cap of `evaluation.tokens`.
ExitCode evaluate_held_out(const Options& options, const TrainedModel& trained, const Families& families) {
  const auto run_dir = fs::absolute(trained.checkpoint).lexically_normal().parent_path().parent_path();
  const auto data = open_run_data(trained.config, run_dir, families);
  if (data.validation_sets().empty())
    throw DataError(cat(options.run, " holds nothing out: it has no data.validation"));
  EvaluationOptions evaluation;
  evaluation.reset_at_document = trained.config.data.reset_at_document;
  std::vector<EvaluationResult> results;
  World alone;
  for (const auto& set : data.validation_sets()) results.push_back(evaluate(*trained.model, set, evaluation, alone));
  if (!options.json) {
    for (const auto& result : results) print_result(cat(result.name, ": ", report_line(result)));
    return ExitCode::kDone;
  }
  nlohmann::ordered_json out = {{"checkpoint", trained.checkpoint.string()}};
  out.update(report_json(pooled(results)));
  for (const auto& result : results) out["sets"][result.name] = report_json(result);
  print_result(out.dump(2));
  return ExitCode::kDone;
}

/// A file as one document.
ExitCode evaluate_file(const Options& options, const TrainedModel& trained) {
  const auto text = read_document(options.text);
  if (!trained.opener) log::info("no token opens documents of this run's data: the text's first token is not scored");
  try {
    print_result(report(
        trained, evaluate_text(*trained.model, text, trained.opener, trained.config.data.seq_len, *trained.tokenizer),
        options.json));
  } catch (const DataError& error) {
    throw DataError(cat(options.text, ": ", error.what()));
  }
  return ExitCode::kDone;
}

ExitCode evaluate_given_ids(const Options& options, const TrainedModel& trained) {
  const auto ids = parse_ids(options.ids, trained.tokenizer->vocab_size());
  if (!options.logits.empty()) {
    Staged staged(options.logits, ExitCode::kConfig);
    write_safetensors(staged.path(), {{"logits", logits_of(*trained.model, ids)}});
    staged.commit();
    if (ids.size() < 2) return ExitCode::kDone;
  }
  if (ids.size() < 2) throw DataError("eval: fewer than two tokens, nothing to score");
  print_result(report(trained, evaluate_ids(*trained.model, ids, std::ssize(ids), *trained.tokenizer), options.json));
  return ExitCode::kDone;
}

ExitCode evaluate_run(const Options& options, const Families& families) {
  if (!options.text.empty() + !options.ids.empty() + options.held_out != 1)
    throw ConfigError("eval: expected one of --held-out, --text and --ids");
  const auto trained = open_trained_model(options.run, families, options.weights);
  if (options.held_out) return evaluate_held_out(options, trained, families);
  return options.ids.empty() ? evaluate_file(options, trained) : evaluate_given_ids(options, trained);
}

}  // namespace

void add_eval(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("eval", "Score held-out data or text with a trained model");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run or checkpoint directory")->required();
  command->add_flag("--held-out", options->held_out, "the run's held-out sets, whole, as in training");
  command->add_option("--text", options->text, "a file: one document, every token scored once, in windows of seq_len");
  command->add_option("--ids", options->ids,
                      "token ids of one document, such as 12,5,99: all but the first are scored");
  command->add_option("--logits", options->logits, "write fp32 logits [T, V] to this safetensors file")->needs("--ids");
  add_trained(*command, options->weights);
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot eval runs/quickstart --text notes.txt --json");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] { return evaluate_run(*options, line.families); };
  });
}

}  // namespace ingot
