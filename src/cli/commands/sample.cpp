#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/printable.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/trained_option.h"
#include "cli/usage.h"
#include "eval/generate.h"
#include "eval/trained_model.h"

namespace ingot {
namespace {

struct Options {
  std::string run;
  std::string prompt;
  GenerateOptions generate;
  std::int64_t count = 1;
  WeightsKind weights = WeightsKind::kToEvaluate;
  bool json = false;
};

/// The text as it comes.
class SampleOutput {
 public:
  explicit SampleOutput(bool active) : active_(active) {}

  void add(std::string_view piece) { write(stdout_is_terminal() ? shown_.add(piece) : std::string(piece)); }
  void finish() { write(shown_.finish()); }

 private:
  void write(const std::string& text) const {
    if (!active_) return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    finish_stdout();
  }
  bool active_;
  PrintableStream shown_;
};

ExitCode sample(const Options& options, const Families& families) {
  const auto trained = open_trained_model(options.run, families, options.weights);
  const auto& tokenizer = *trained.tokenizer;
  if (!tokenizer.has_text()) throw DataError("this run's tokenizer has no text: it was trained on foreign shards");
  const auto begin = sample_start(tokenizer, trained.opener, options.prompt);
  trained.model->check_document_length(std::ssize(begin));
  if (const auto room = room_after(*trained.model, begin); room && options.generate.max_tokens > *room) {
    log::warning(cat("the text ends after at most ", *room, " tokens: the model has learned ",
                     *trained.model->max_document_length(), " positions"));
  }
  nlohmann::ordered_json samples = nlohmann::json::array();
  auto generate_options = options.generate;
  std::int64_t tokens = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < options.count; ++i) {
    generate_options.seed = options.generate.seed + static_cast<std::uint64_t>(i);
    SampleOutput output(!options.json);
    if (i > 0) output.add("\n---\n");
    output.add(options.prompt);
    const auto ids = generate(*trained.model, begin, tokenizer.eos(), generate_options,
                              [&](TokenId id) { output.add(tokenizer.piece(id)); });
    output.finish();
    tokens += static_cast<std::int64_t>(ids.size());
    samples.push_back({{"prompt", options.prompt}, {"text", tokenizer.decode(ids)}, {"ids", ids}});
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) {
    const nlohmann::ordered_json out = {{"checkpoint", trained.checkpoint.string()},
                                        {"samples", samples},
                                        {"tokens_per_second", static_cast<double>(tokens) / seconds}};
    print_result(out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    print_result("");
    log::info(cat(tokens, " tokens, ", static_cast<std::int64_t>(static_cast<double>(tokens) / seconds), " tok/s"));
  }
  return ExitCode::kDone;
}

}  // namespace

void add_sample(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("sample", "Let a trained model write");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run or checkpoint directory")->required();
  command->add_option("--prompt", options->prompt, "text to go on from; absent: the start of a document");
  command->add_option("--tokens", options->generate.max_tokens, "tokens at most")
      ->check(whole_number(1))
      ->capture_default_str();
  command->add_option("--temperature", options->generate.temperature, "0 takes the most likely token")
      ->check(real_number(0, 1e6))
      ->capture_default_str();
  command->add_option("--top-k", options->generate.top_k, "choose among the k most likely; 0: all")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_option("--top-p", options->generate.top_p, "choose among the most likely that hold this probability")
      ->check(real_number(0, 1))
      ->capture_default_str();
  command->add_option("--seed", options->generate.seed, "seed")
      ->check(whole_number(0, INT64_MAX))
      ->capture_default_str();
  command->add_option("--count", options->count, "number of samples")->check(whole_number(1))->capture_default_str();
  command->add_flag("!--ignore-eos", options->generate.stop_at_eos, "go on past the end of a document");
  add_trained(*command, options->weights);
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot sample runs/quickstart --prompt \"Language\" --temperature 0.8 --top-p 0.95");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] { return sample(*options, line.families); };
  });
}

}  // namespace ingot
