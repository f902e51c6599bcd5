#include "bench/decode.h"

#include <ATen/core/TensorBody.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/randint.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/text.h"
#include "device/gpu.h"
#include "eval/trained_model.h"
#include "objective/objective.h"
#include "recipe/load.h"
#include "train/plan.h"

namespace ingot {
namespace {

constexpr std::int64_t kPrefillTokens = 512;  // at a time
constexpr std::int64_t kRounds = 4;           // contexts take turns

/// A model that can decode, from either source.
struct Subject {
  std::unique_ptr<TrainedModel> trained;
  std::unique_ptr<TrainSetup> setup;

  const LanguageModel& model() const { return trained ? *trained->model : *setup->model; }
  const ParameterStore& store() const { return trained ? *trained->store : *setup->store; }
  std::int64_t vocab_size() const { return trained ? trained->tokenizer->vocab_size() : setup->vocab_size; }
};

Subject with_random_weights(const RunConfig& config, const DecodeBenchOptions& options, const Families& families) {
  PlanOptions plan;
  plan.vocab_size = options.vocab_size;
  Subject subject;
  subject.setup = std::make_unique<TrainSetup>(plan_setup(config, families, plan));
  subject.setup->store->allocate();
  subject.setup->store->initialise(static_cast<std::uint64_t>(config.run.seed));
  return subject;
}

/// A row of decoding after one context.
class Decoder {
 public:
  Decoder(const Subject& subject, std::int64_t context, std::int64_t batch)
      : model_(subject.model()), state_(model_.begin_decode(batch)) {
    const auto options = at::TensorOptions(at::kLong).device(model_.device());
    for (std::int64_t done = 0; done < context; done += kPrefillTokens) {
      const auto count = std::min(kPrefillTokens, context - done);
      model_.prefill(at::randint(subject.vocab_size(), {batch, count}, options), state_);
    }
    token_ = at::randint(subject.vocab_size(), {batch, 1}, options);
  }

  double step() {
    const double start = seconds_now();
    const auto hidden = model_.step(token_, state_);
    token_ = logits(hidden.select(1, 0), model_.head()).argmax(-1, /*keepdim=*/true);
    if (model_.device().is_cuda()) gpu_synchronize();
    return seconds_now() - start;
  }

 private:
  const LanguageModel& model_;
  DecodeState state_;
  at::Tensor token_;  // [B, 1]
};

nlohmann::ordered_json settings_json(const Subject& subject, const DecodeBenchOptions& options) {
  return {{"parameters", subject.store().num_parameters()},
          {"layers", join(subject.model().pattern(), "")},
          {"vocab_size", subject.vocab_size()},
          {"precision", subject.store().options().compute_dtype == at::kBFloat16 ? "bf16" : "fp32"},
          {"batch", options.batch}};
}

}  // namespace

BenchReport bench_decode(const fs::path& source, const std::vector<std::string>& overrides,
                         const DecodeBenchOptions& options, const Families& families) {
  BenchReport report;
  report.kind = "decode";
  Subject subject;
  if (fs::is_directory(source)) {
    if (!overrides.empty()) throw ConfigError("bench decode: overrides change a config, not a run's");
    report.machine = prepare_machine(options.device, 0);
    subject.trained = std::make_unique<TrainedModel>(open_trained_model(source, families));
  } else {
    auto settings = overrides;
    settings.push_back("train.micro_batch=1");  // `auto` would time a training step
    const auto config = load_config(source.string(), settings, families, UnsetNames::kAccept);
    report.machine = prepare_machine(config.train);
    subject = with_random_weights(config, options, families);
  }
  report.settings = settings_json(subject, options);

  const c10::NoGradGuard no_grad;
  std::vector<Decoder> decoders;
  for (const auto context : options.contexts) decoders.emplace_back(subject, context, options.batch);
  std::vector<std::vector<double>> seconds(decoders.size());
  const auto per_round = std::max<std::int64_t>(1, options.tokens / kRounds);
  for (std::int64_t done = 0; done < options.tokens; done += per_round) {
    for (std::size_t i = 0; i < decoders.size(); ++i) {
      if (done == 0) decoders[i].step();
      const auto count = std::min(per_round, options.tokens - done);
      for (std::int64_t t = 0; t < count; ++t) seconds[i].push_back(decoders[i].step());
    }
  }
  for (std::size_t i = 0; i < decoders.size(); ++i) {
    BenchResult result{cat("context ", options.contexts[i]), summarise(seconds[i]), {}};
    result.facts = {{"context", options.contexts[i]},
                    {"tokens_per_second", static_cast<double>(options.batch) / result.seconds.median},
                    {"state_bytes_per_row", subject.model().state_bytes(options.contexts[i])}};
    report.results.push_back(result);
  }
  return report;
}

std::string decode_bench_text(const BenchReport& report) {
  const auto& s = report.settings;
  Table table{"context", {"tokens/s", "a step", "spread", "to the first", "state of a row"}, {}};
  const double first = report.results.front().seconds.median;
  for (const auto& result : report.results) {
    table.rows.push_back(
        {std::to_string(result.facts["context"].get<std::int64_t>()),
         {short_number(result.facts["tokens_per_second"].get<double>()), short_time(result.seconds.median),
          cat(short_number(100 * result.seconds.relative_spread()), " %"), short_number(result.seconds.median / first),
          format_bytes(result.facts["state_bytes_per_row"].get<double>())}});
  }
  return cat(format_grouped(s["parameters"].get<std::int64_t>()), " parameters, ", s["layers"].get<std::string>(), ", ",
             s["precision"].get<std::string>(), ", batch ", s["batch"].get<std::int64_t>(), "; ", report.machine.text(),
             "\n", table_text(table));
}

}  // namespace ingot
