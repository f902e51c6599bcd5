#include "train/run_summary.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "base/text.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "recipe/options.h"
#include "train/memory_plan.h"

namespace ingot {
namespace {

std::string row(const std::string& name, const std::string& text) {
  char head[32];
  std::snprintf(head, sizeof head, "  %-12s ", name.c_str());
  return head + text;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

std::vector<std::pair<std::string, std::int64_t>> parameters_by_role(const ParameterStore& store) {
  std::map<std::string, std::int64_t> counts;
  for (const auto* info : store.parameters()) counts[join(info->roles.names(), "+")] += info->numel();
  std::vector<std::pair<std::string, std::int64_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::vector<std::string> start_table(const TrainSetup& setup, const DataModule& data) {
  const auto& config = setup.config;
  const auto& train = config.train;
  std::vector<std::string> lines;
  lines.push_back(row("run", cat(config.run.name, " in ", config.run.dir, ", seed ", config.run.seed)));
  lines.push_back(row("model", cat(config.model.layers, ", d_model ", config.model.d_model, ", placement ",
                                   config.model.placement.name(), ", norm ", config.model.norm.name(), ", ",
                                   config.model.meta_tokens, " meta tokens")));
  std::vector<std::string> roles;
  for (const auto& [role, count] : parameters_by_role(*setup.store)) {
    roles.push_back(cat(role, " ", format_count(static_cast<double>(count))));
  }
  lines.push_back(row("parameters", cat(format_grouped(setup.store->num_parameters()), ": ", join(roles, ", "))));
  for (const auto& source : data.sources()) {
    lines.push_back(row("data", cat(source.name, ": ", format_grouped(source.documents), " documents, ",
                                    format_grouped(source.tokens), " tokens",
                                    source.text_bytes ? cat(", ", format_bytes(static_cast<double>(*source.text_bytes)))
                                                      : std::string())));
  }
  for (const auto& set : data.validation_sets()) {
    lines.push_back(row("held out", cat(set.name(), ": ", format_grouped(set.documents()), " documents, ",
                                        format_grouped(set.tokens()), " tokens")));
  }
  lines.push_back(row("vocabulary", cat(format_grouped(setup.vocab_size), " (", config.data.tokenizer.name(), ")")));
  const double epochs = static_cast<double>(setup.total_tokens()) /
                        static_cast<double>(std::max<std::int64_t>(1, data.tokens_per_epoch()));
  lines.push_back(row("length", cat(format_grouped(setup.total_steps), " steps of ", setup.rows_per_step, " x ",
                                    config.data.seq_len, " tokens (micro-batch ", setup.micro_batch, "), ",
                                    format_count(static_cast<double>(setup.total_tokens())), " tokens, ",
                                    fixed(epochs, 2), " epochs")));
  const auto with_rate = [](const Variant<OptimizerEntry>& optimizer) {
    return cat(optimizer.name(), ", peak lr ", format_double(optimizer.entry().lr(optimizer.settings())), ", ");
  };
  lines.push_back(row("optimizer", cat(with_rate(config.optim.optimizer),
                                       config.optim.others ? cat("others ", with_rate(*config.optim.others)) : "",
                                       config.optim.schedule.name(), ", clip ", config.optim.clip.name())));
  const bool on_gpu = train.device == DeviceKind::kCuda;
  lines.push_back(row("machine", cat(on_gpu ? cat("gpu: ", gpu_info().name, ", ") : std::string(), "cpu: ", cpu_name(),
                                     ", ", train.threads.value(), " threads, ", instruction_set(), ", ", blas_name(),
                                     ", ", precision_name(train.precision))));
  if (!on_gpu && !openblas_missing().empty()) {
    lines.push_back(row("", cat("fp32 products would be faster with OpenBLAS: ", openblas_missing())));
  }
  const auto memory = plan_memory(setup);
  lines.push_back(row("memory", cat("about ", format_bytes(static_cast<double>(memory.total())), ": masters ",
                                    format_bytes(static_cast<double>(memory.masters)), ", gradients ",
                                    format_bytes(static_cast<double>(memory.gradients)), ", optimizer ",
                                    format_bytes(static_cast<double>(memory.optimizer)), ", activations ",
                                    format_bytes(static_cast<double>(memory.activations)), ", copy for checkpoints ",
                                    format_bytes(static_cast<double>(memory.checkpoint)), ", program ",
                                    format_bytes(static_cast<double>(memory.program)))));
  return lines;
}

std::string evaluation_text(const EvaluationResult& result) {
  auto text = cat(result.name, " loss ", fixed(result.loss, 4));
  if (const auto bits = result.bits_per_byte()) text += cat(", ", fixed(*bits, 4), " bits per byte");
  return text + cat(" over ", format_grouped(result.tokens), " tokens");
}

nlohmann::ordered_json summary_of(const Counters& counters, const std::vector<EvaluationResult>& evaluations) {
  nlohmann::ordered_json summary = {
      {"steps", counters.step}, {"tokens", counters.tokens}, {"seconds", counters.seconds}};
  for (const auto& result : evaluations) {
    auto& own = summary["evaluation"][result.name];
    own = {{"loss", result.loss}, {"tokens", result.tokens}};
    if (const auto bits = result.bits_per_byte()) own["bits_per_byte"] = *bits;
  }
  return summary;
}

std::vector<std::string> end_report(const TrainSetup& setup, const Counters& counters,
                                    const std::vector<EvaluationResult>& evaluations) {
  const auto& dir = setup.config.run.dir;
  std::vector<std::string> lines;
  lines.push_back(cat("done: ", format_grouped(counters.step), " steps, ",
                      format_count(static_cast<double>(counters.tokens)), " tokens in ",
                      format_duration(counters.seconds)));
  for (const auto& result : evaluations) lines.push_back(cat("held-out ", evaluation_text(result)));
  lines.push_back(cat("checkpoint  ", checkpoint_path(dir, counters.step).string()));
  lines.push_back(cat("metrics     ", dir, "/metrics.jsonl"));
  lines.push_back("next:");
  lines.push_back(cat("  ingot sample ", dir, " --prompt \"…\""));
  lines.push_back(cat("  ingot eval ", dir, " --text FILE"));
  lines.push_back(cat("  ingot status ", dir));
  return lines;
}

std::string finished_text(const std::string& run_dir, std::int64_t step) {
  return cat("the run in ", run_dir, " is finished (", format_grouped(step),
             " steps); with a longer train.duration it goes on, with another run.name a new one begins");
}

}  // namespace ingot
