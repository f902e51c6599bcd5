#include "recipe/run_config.h"

#include "config/limits.h"

namespace ingot {

void describe(Fields& f, RunSection& c) {
  f.field("name", c.name, "name of the run", Rule{}.free());
  f.field("dir", c.dir, "run directory; default runs/<name> in the working directory", Rule{}.free());
  f.field("seed", c.seed, "seed of weights and data order", Rule{}.at_least(0).numeric());
}

std::string Codec<StartPosition>::expected() { return "begin, continue or a number"; }
bool Codec<StartPosition>::parse(const Scalar& scalar, StartPosition& v) {
  if (scalar.text == "begin") return v.at = 0, true;
  if (scalar.text == "continue") return v.at.reset(), true;
  std::int64_t number = 0;
  if (!Codec<std::int64_t>::parse(scalar, number) || number < 0) return false;
  return v.at = number, true;
}
Scalar Codec<StartPosition>::format(const StartPosition& v) {
  if (!v.at) return {"continue"};
  return *v.at == 0 ? Scalar{"begin"} : Codec<std::int64_t>::format(*v.at);
}
const char* Codec<StartPosition>::json_type() { return ""; }
std::optional<double> Codec<StartPosition>::number(const StartPosition& v) {
  return v.at ? std::optional<double>(static_cast<double>(*v.at)) : std::nullopt;
}

void describe(Fields& f, Expand& c) {
  f.choice(
      "rule", c.rule,
      {{"stack", ExpandRule::kStack}, {"interleave", ExpandRule::kInterleave}, {"linear", ExpandRule::kLinear}},
      "which sub-layer takes whose weights: stack, the checkpoint's over and over, 0 1 0 1; interleave, each "
      "several times in a row, 0 0 1 1; linear, from a line between neighbours, 0 1/3 2/3 1. interleave and linear "
      "move as many sub-layers together as the pattern of operators repeats in",
      Rule{}.required());
  f.choice("output", c.output, {{"copy", ExpandOutput::kCopy}, {"zero", ExpandOutput::kZero}},
           "how branches begin whose weights another one of the model has already: with them, or with zeros in what "
           "writes the stream, so that the model with a pre-norm computes what the checkpoint's does");
}

void describe(Fields& f, StartFrom& c) {
  f.field("path", c.path, "a run or a checkpoint directory", Rule{}.required().path());
  f.choice("load", c.load, {{"weights", StartLoad::kWeights}, {"all", StartLoad::kAll}},
           "weights alone, those that its run evaluated; or those it trained with optimizer state, the updates that it "
           "counts, and the place in the data");
  f.field(
      "data", c.data,
      "samples that count as seen: begin (none), continue (those of the checkpoint, whose data, seq_len and seed this "
      "run then must have), or a number; auto: continue with load: all, if data, seq_len and seed are the same",
      Rule{}.at_most(1e15));
  f.field("schedule", c.schedule,
          "updates that the learning-rate schedules, and with load: weights the norms and residual rules that change "
          "along the "
          "run, count as done, in front of train.duration: begin (none: the schedules "
          "of this run alone), continue (those of the checkpoint), or a number",
          Rule{}.at_most(limits::kUpdates));
  f.field("expand", c.expand,
          "the checkpoint is of a model of the same widths with fewer sub-layers, and with load: all of the same "
          "optimizer, whose state goes with the weights");
}

void describe(Fields& f, SpikeSettings& c) {
  f.field("window", c.window, "applied steps whose losses tell what is usual", Rule{}.at_least(8).at_most(1'000'000));
  f.field("sigma", c.sigma, "standard deviations above the mean that make a spike", Rule{}.above(0));
  f.field("skips", c.skips, "spikes that are skipped before the run goes back", Rule{}.at_least(0));
  f.field("rewinds", c.rewinds, "times that the run goes back to the last checkpoint, passing over the batches since",
          Rule{}.at_least(0));
}

namespace {

constexpr const char* kUntil =
    "where the run leaves it, counted from the beginning: steps, tokens, epochs or tokens/parameter";

}  // namespace

void describe(Fields& f, BatchStage& c) {
  f.field("batch", c.batch, "sequences or tokens of one update", Rule{}.required());
  f.field("until", c.until, kUntil, Rule{}.required());
}

void describe(Fields& f, ContextStage& c) {
  f.field("length", c.length, "tokens of a piece, a divisor of data.seq_len", Rule{}.required().at_least(1));
  f.field("until", c.until, kUntil, Rule{}.required());
}

void describe(Fields& f, TrainSection& c) {
  f.field("duration", c.duration, "length of the run: steps, tokens, epochs or tokens/parameter", Rule{}.required());
  f.field("global_batch", c.global_batch, "sequences or tokens of one update", Rule{}.required());
  f.field(
      "batch_warmup", c.batch_warmup,
      "smaller batches at the beginning, one after another: `{batch: 64Ki tokens, until: 1B tokens}`. Schedules then "
      "count tokens, as multiples of the full batch; so do cadences in tokens, at the full batch");
  f.field(
      "context_warmup", c.context_warmup,
      "rows are cut into shorter pieces at the beginning: `{length: 256, until: 1B tokens}`. The tokens of an update "
      "and their order stay");
  f.field("micro_batch", c.micro_batch, "sequences that go through the model at once",
          Rule{}.at_least(1).at_most(limits::kRows).layout());
  f.choice("precision", c.precision,
           {{"auto", Precision::kAuto}, {"fp32", Precision::kFloat32}, {"bf16", Precision::kBfloat16}},
           "type of matrix products; masters are fp32 always");
  f.choice("device", c.device, {{"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}},
           "where the model runs", Rule{}.layout());
  f.field("threads", c.threads, "threads of the CPU's kernels", Rule{}.at_least(1).at_most(limits::kThreads).layout());
  f.choice("blas", c.blas, {{"auto", Blas::kAuto}, {"libtorch", Blas::kLibTorch}, {"openblas", Blas::kOpenBlas}},
           "library of fp32 matrix products on CPUs; auto: OpenBLAS where it is installed and faster", Rule{}.layout());
  f.field("recompute", c.recompute,
          "what the backward pass computes again instead of keeping it (activation checkpointing)", Rule{}.layout());
  f.choice("stream", c.stream, {{"fp32", StreamType::kFloat32}, {"bf16", StreamType::kBfloat16}},
           "type of the residual stream");
  f.field("objective", c.objective, "the loss of a target token");
  f.field("z_loss", c.z_loss, "weight of the squared log-partition added to each token's loss", Rule{}.at_least(0));
  f.choice("on_nonfinite", c.on_nonfinite, {{"skip", OnNonFinite::kSkip}, {"stop", OnNonFinite::kStop}},
           "what happens to a step whose loss or gradients are not finite");
  f.field("max_skipped", c.max_skipped, "skipped steps in a row after which the run has diverged", Rule{}.at_least(0));
  f.field("spikes", c.spikes,
          "what happens when the loss leaps; absent: only losses that are not finite count, by on_nonfinite");
  f.field("start_from", c.start_from, "a checkpoint that a new run begins with");
  f.field("time_limit", c.time_limit, "wall time after which the run saves and exits with code 75",
          Rule{}.above(0).free());
}

void describe(Fields& f, EvaluationSection& c) {
  f.field("every", c.every, "how often held-out text is scored; absent: at the end only", Rule{}.above(0));
  f.field("tokens", c.tokens, "tokens of each validation set; absent: all", Rule{}.at_least(1));
  f.field("prompts", c.prompts, "prompts of the samples shown with each evaluation");
  f.field("sample_tokens", c.sample_tokens, "tokens of a sample", Rule{}.at_least(1).at_most(limits::kLength));
}

void describe(Fields& f, LogSection& c) {
  f.field("every", c.every, "how often a line is logged", Rule{}.above(0));
  f.field("tensorboard", c.tensorboard, "write event files for TensorBoard");
  f.field("samples", c.samples, "record which samples each rank used at each step");
  f.field("stream", c.stream, "how often the probe stream_mean_square measures, beside `probes`; absent: never",
          Rule{}.above(0));
  f.field("probes", c.probes, "measurements along the run, for metrics.jsonl");
}

void describe(Fields& f, DistributedSection& c) {
  f.choice(
      "shard", c.shard,
      {{"none", Sharding::kNone}, {"optimizer", Sharding::kOptimizer}, {"gradients", Sharding::kGradients}},
      "what the ranks share out, so that each holds less: nothing; optimizer state and fp32 masters; or gradients as "
      "well, which go out after each micro-batch");
  f.field("bucket", c.bucket,
          "largest amount of gradients that is added up over the ranks at a time; an eighth of all gradients if that "
          "is less",
          Rule{}.layout());
  f.choice("wire", c.wire, {{"fp32", Wire::kFloat32}, {"bf16", Wire::kBfloat16}}, "type of gradients on the network",
           Rule{}.numeric());
  f.choice("reduction", c.reduction,
           {{"auto", Reduction::kAuto}, {"rank_order", Reduction::kRankOrder}, {"all_reduce", Reduction::kAllReduce}},
           "how gradients are added up over the ranks. rank_order: in fp32 in the order of the ranks, with bits that "
           "depend on the number of ranks alone (always so where masters are shared out). all_reduce: as the network "
           "library does it, with less traffic between many nodes. auto: rank_order on CPUs, all_reduce on GPUs",
           Rule{}.numeric());
  f.field("timeout", c.timeout, "time after which a silent peer is given up", Rule{}.above(0).free());
  f.field("check_every", c.check_every, "steps after which the ranks compare checksums of their weights; null: never",
          Rule{}.at_least(1).free());
}

void describe(Fields& f, RunConfig& c) {
  f.field("run", c.run, "name, place and seed");
  f.field("data", c.data, "text, tokenizer and context", Rule{}.required());
  f.field("model", c.model, "the architecture", Rule{}.required());
  f.field("optim", c.optim, "optimizer, schedule, clipping, groups", Rule{}.required());
  f.field("weights", c.weights, "parametrization, constraints, start values and scaling");
  f.field("train", c.train, "length, batch, precision, machine", Rule{}.required());
  f.field("evaluation", c.evaluation, "held-out loss and samples", Rule{}.free());
  f.field("checkpoint", c.checkpoint, "saving", Rule{}.free());
  f.field("log", c.log, "progress", Rule{}.free());
  f.field("distributed", c.distributed, "ranks and sharding", Rule{}.layout());
}

std::int64_t first_sample(const RunConfig& config) {
  const auto& from = config.train.start_from;
  return from && !from->data.is_auto() ? from->data.value().at.value_or(0) : 0;
}

std::int64_t first_position(const RunConfig& config) {
  const auto& from = config.train.start_from;
  return from ? from->schedule.at.value_or(0) : 0;
}

}  // namespace ingot
