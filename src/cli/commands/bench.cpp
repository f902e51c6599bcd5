#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>

#include "base/files.h"
#include "base/text.h"
#include "bench/decode.h"
#include "bench/op.h"
#include "bench/step.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/limits.h"
#include "recipe/load.h"

namespace ingot {
namespace {

const std::map<std::string, Precision> kPrecisions = {
    {"auto", Precision::kAuto}, {"fp32", Precision::kFloat32}, {"bf16", Precision::kBfloat16}};
const std::map<std::string, DeviceKind> kDevices = {
    {"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}};

/// What all three share.
struct Output {
  bool json = false;
  std::string save, against;
  nlohmann::json baseline;

  /// Before anything is measured in vain.
  void open() {
    if (!against.empty()) baseline = read_baseline(against);
  }
};

void add_output(CLI::App* command, Output& output) {
  command->add_flag("--json", output.json, "one JSON document");
  command->add_option("--save", output.save, "write the JSON there, as a baseline");
  command->add_option("--against", output.against, "compare with a baseline; exit 1 if something got slower");
}

/// Prints, saves and compares. kOther if something got slower.
ExitCode put_out(const BenchReport& report, const std::string& text, const Output& output) {
  const auto json = to_json(report).dump(2);
  print_result(output.json ? json : text);
  auto code = ExitCode::kDone;
  if (!output.against.empty()) {
    const auto changes = compare_with_baseline(report, output.baseline, output.against);
    // Beside a JSON document on stdout, words go to stderr.
    std::fprintf(output.json ? stderr : stdout, "\nagainst %s\n%s", output.against.c_str(),
                 changes_text(changes).c_str());
    if (got_slower(changes)) {
      std::fprintf(stderr, "slower than %s beyond the noise\n", output.against.c_str());
      code = ExitCode::kOther;
    }
  }
  if (!output.save.empty()) write_file_atomic(output.save, json + "\n");
  return code;
}

struct OpOptions {
  OpBenchOptions bench;
  Output output;
};

ExitCode bench_op(OpOptions& options, const Families& families) {
  options.output.open();
  const auto bench = bench_operations(options.bench, families);
  const auto code = put_out(bench.report, op_bench_text(bench), options.output);
  for (const auto& [name, problem] : bench.failures) {
    std::fprintf(stderr, "not timed: %s disagrees with its reference: %s\n", name.c_str(), problem.c_str());
  }
  return bench.failures.empty() ? code : ExitCode::kOther;
}

void add_op(CLI::App* parent, CommandLine& line) {
  auto* command = parent->add_subcommand("op", "Time operations forward and backward, once they pass their check");
  auto options = std::make_shared<OpOptions>();
  auto& bench = options->bench;
  command->add_option("names", bench.names,
                      "rms_norm, norms, ops/ssd, attention/window, 'attention {num_heads: 8}', '*norm'; absent: all");
  command->add_option("--d-model", bench.sizes.d_model, "width")
      ->check(whole_number(1, limits::kWidth))
      ->capture_default_str();
  command->add_option("--rows", bench.sizes.rows, "sequences")
      ->check(whole_number(1, limits::kRows))
      ->capture_default_str();
  command->add_option("--seq-len", bench.sizes.seq_len, "tokens of a sequence")
      ->check(whole_number(1, limits::kLength))
      ->capture_default_str();
  command->add_option("--vocab-size", bench.sizes.vocab_size, "of embedding and head")
      ->check(whole_number(1, limits::kVocabulary))
      ->capture_default_str();
  command->add_option("--parameters", bench.sizes.parameters, "about as many are updated by each optimizer")
      ->check(whole_number(1))
      ->capture_default_str();
  command->add_option("--dtype", bench.precision, "fp32, bf16, or auto: what multiplies faster here")
      ->transform(choice(kPrecisions));
  command->add_option("--device", bench.device, "auto, cpu or cuda")->transform(choice(kDevices));
  command->add_option("--threads", bench.threads, "absent: all cores")->check(whole_number(1, limits::kThreads));
  command->add_option("--seconds", bench.timing.seconds, "for each operation")
      ->check(real_number(0, 1e6, true))
      ->capture_default_str();
  command->add_flag("--all-samples", bench.all_samples, "every sample of a variant, not only its usual settings");
  add_output(command, options->output);
  command->footer("Example: ingot bench op rms_norm layer_norm --d-model 1024");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] { return bench_op(*options, line.families); };
  });
}

struct StepOptions {
  std::string config;
  std::vector<std::string> overrides;
  StepBenchOptions bench;
  Output output;
};

void add_step(CLI::App* parent, CommandLine& line) {
  auto* command = parent->add_subcommand("step", "Time training steps of a config on random tokens");
  auto options = std::make_shared<StepOptions>();
  auto& bench = options->bench;
  command->add_option("config", options->config, "YAML file")->required();
  command->add_option("overrides", options->overrides, "path=value, path+=value, ~path");
  command->add_option("--steps", bench.steps, "steps that count")->check(whole_number(1))->capture_default_str();
  command->add_option("--warm-up", bench.warm_up, "steps before")->check(whole_number(0))->capture_default_str();
  command->add_option("--profiled", bench.profiled, "steps after, for the tables; 0: no tables")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_option("--trace", bench.trace, "write a Chrome trace of one more step to this file");
  command->add_option("--vocab-size", bench.vocab_size, "in place of the tokenizer's")->check(whole_number(1));
  add_output(command, options->output);
  command->footer("Example: ingot bench step configs/quickstart.yaml train.precision=fp32 --steps 20");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] {
      options->output.open();
      const auto& trace = options->bench.trace;
      if (!trace.empty()) write_file_atomic(trace, "{}\n", ExitCode::kConfig);  // not measured in vain
      const auto config = load_config(options->config, options->overrides, line.families, UnsetNames::kAccept);
      const auto report = bench_step(config, options->bench, line.families);
      return put_out(report, step_bench_text(report), options->output);
    };
  });
}

struct DecodeOptions {
  std::string source;
  std::vector<std::string> overrides;
  DecodeBenchOptions bench;
  Output output;
};

void add_decode(CLI::App* parent, CommandLine& line) {
  auto* command = parent->add_subcommand("decode", "Time decoding token by token, after contexts of given lengths");
  auto options = std::make_shared<DecodeOptions>();
  auto& bench = options->bench;
  command->add_option("source", options->source, "YAML file, which gets random weights, or run directory")->required();
  command->add_option("overrides", options->overrides, "of a config: path=value, path+=value, ~path");
  command->add_option("--context", bench.contexts, "tokens before, such as 256,4096")
      ->delimiter(',')
      ->check(whole_number(1))
      ->capture_default_str();
  command->add_option("--batch", bench.batch, "rows at once")->check(whole_number(1))->capture_default_str();
  command->add_option("--tokens", bench.tokens, "tokens timed after each context")
      ->check(whole_number(1))
      ->capture_default_str();
  command->add_option("--vocab-size", bench.vocab_size, "in place of the tokenizer's")->check(whole_number(1));
  add_output(command, options->output);
  command->footer("Example: ingot bench decode runs/quickstart --context 256,4096");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] {
      options->output.open();
      const auto report = bench_decode(options->source, options->overrides, options->bench, line.families);
      return put_out(report, decode_bench_text(report), options->output);
    };
  });
}

}  // namespace

void add_bench(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("bench", "Measure speed: operations, training steps, decoding");
  command->require_subcommand(1);
  add_op(command, line);
  add_step(command, line);
  add_decode(command, line);
  command->footer("Example: ingot bench op --save before.json; ingot bench op --against before.json");
}

}  // namespace ingot
