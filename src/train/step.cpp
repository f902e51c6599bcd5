#include "train/step.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "eval/batch_tensors.h"
#include "train/micro_batches.h"
#include "train/sampled_labels.h"

namespace ingot {
namespace {

ReducerOptions reducer_options(const TrainSetup& setup) {
  const auto& distributed = setup.config.distributed;
  return {bucket_bytes(*setup.store, distributed), distributed.wire, distributed.reduction, setup.shards.get(),
          shares_gradients(setup)};
}

/// Rounds of the reducer before the step's last one, the same on all ranks.
std::int64_t early_rounds(const TrainSetup& setup, const World& world) {
  if (!shares_gradients(setup)) return 0;
  const auto all = MicroBatches::in_step(setup.rows_per_step, setup.micro_batch);
  return (all + world.size() - 1) / world.size() - 1;
}

std::unique_ptr<Objective> make_objective(const TrainSetup& setup, double z_loss) {
  const auto& objective = setup.config.train.objective;
  return objective.entry().make(objective.settings(), {z_loss});
}

std::shared_ptr<AuxiliaryLosses> layer_losses(const TrainSetup& setup) {
  return std::make_shared<AuxiliaryLosses>(std::ssize(setup.store->losses()), setup.model->device());
}

std::vector<std::string> loss_names(const Objective& objective, const ParameterStore& store) {
  auto names = objective.terms();
  for (const auto* more : {&store.losses(), &store.penalties()}) names.insert(names.end(), more->begin(), more->end());
  return names;
}

/// Of a flat fp64 tensor.
std::vector<double> values_of(const at::Tensor& tensor) {
  const auto host = tensor.cpu();
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + host.numel()};
}

}  // namespace

TrainStep::TrainStep(TrainSetup& setup, World& world)
    : setup_(setup),
      world_(world),
      reducer_(*setup.store, world, reducer_options(setup)),
      objective_(make_objective(setup, setup.config.train.z_loss)),
      plain_objective_(make_objective(setup, 0)),
      losses_(layer_losses(setup)),
      term_names_(loss_names(*objective_, *setup.store)),
      rounds_left_(early_rounds(setup, world)) {
  if (setup.shards) exchange_ = std::make_unique<WeightExchange>(*setup.store, world, *setup.shards);
}

TrainStep::TrainStep(TrainSetup& setup)
    : setup_(setup),
      alone_(std::make_unique<World>()),
      world_(*alone_),
      reducer_(*setup.store, world_, {}),
      objective_(make_objective(setup, setup.config.train.z_loss)),
      plain_objective_(make_objective(setup, 0)),
      losses_(layer_losses(setup)),
      term_names_(loss_names(*objective_, *setup.store)) {}

void TrainStep::accumulate(const Batch& batch, bool last) {
  if (batch.target_count == 0) return;
  if (setup_.optimizer->samples_labels()) batches_.push_back(batch);
  if (last || shares_gradients(setup_)) reducer_.arm();
  auto& model = *setup_.model;
  const auto tensors = to_tensors(batch, setup_.config.data.reset_at_document, model.device());
  if (setup_.optimizer->logit_probe().tokens > 0) probe_rows_ = tensors;
  losses_->begin_batch(batch.target_count);
  losses_->measure_scores(clips_scores());
  const TrainingPass pass{at::tensor(batch.samples, at::kLong), losses_};
  const auto hidden = model.forward(tensors.tokens, tensors.documents, pass);
  auto loss = objective_->forward(hidden, model.head(), tensors.targets);
  torch::autograd::backward({loss.total}, {});
  loss.terms.insert(loss.terms.begin(), loss.loss);
  const auto sums = at::stack(loss.terms).to(at::kDouble);
  sums_ = sums_.defined() ? sums_.add_(sums) : sums;
  targets_ += batch.target_count;
  if (rounds_left_ > 0) finish_round();
}

void TrainStep::finish_round() {
  reducer_.finish_round();
  --rounds_left_;
}

TrainStep::Sums TrainStep::sum_over_ranks() {
  std::vector<double> mine(1 + objective_->terms().size(), 0);
  if (sums_.defined()) mine = values_of(sums_);
  for (const double value : values_of(losses_->sums())) mine.push_back(value);
  mine.push_back(static_cast<double>(targets_));
  Sums out;
  out.losses.resize(mine.size() - 1);
  for (const auto& values : world_.all_gather(mine)) {
    for (std::size_t i = 0; i < out.losses.size(); ++i) out.losses[i] += values[i];
    out.targets += static_cast<std::int64_t>(values.back());
  }
  return out;
}

bool TrainStep::clips_scores() const {
  const auto& clip = setup_.config.optim.qk_clip;
  return clip && setup_.model->point().updates % clip->every == 0;
}

LargestScores TrainStep::largest_scores() {
  nlohmann::json mine = nlohmann::json::object();
  for (const auto& [scope, scores] : losses_->scores()) mine[scope] = values_of(scores.to(at::kDouble));
  LargestScores out;
  for (const auto& text : world_.all_gather_text(mine.dump())) {
    const auto told = JsonValue::parse(text, {"what a rank says of scores", ExitCode::kDistributed});
    for (const auto& [scope, scores] : told.raw().items()) {
      auto& largest = out[scope];
      const auto values = scores.get<std::vector<double>>();
      largest.resize(values.size(), -std::numeric_limits<double>::infinity());
      for (std::size_t h = 0; h < values.size(); ++h) largest[h] = std::max(largest[h], values[h]);
    }
  }
  return out;
}

std::vector<double> TrainStep::penalise(std::int64_t targets) {
  auto& store = *setup_.store;
  if (store.penalties().empty()) return {};
  // Gradients are sums over target tokens until the update.
  const auto mine = values_of(store.penalise(static_cast<double>(targets)));
  if (store.owns_all()) return mine;
  std::vector<double> sums(mine.size(), 0);
  for (const auto& values : world_.all_gather(mine)) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += values[i];
  }
  return sums;
}

void TrainStep::refresh_weights() {
  setup_.store->materialise();
  share_weights();
}

void TrainStep::share_weights() {
  if (exchange_) exchange_->run();
}

void TrainStep::move_masters(std::int64_t update, double grad_scale, StepResult& result) {
  auto& optimizer = *setup_.optimizer;
  const auto constrain = [&] { setup_.store->constrain(optimizer.constraint_step(update)); };
  std::optional<StepProbe> probe;
  if (optimizer.logit_probe().tokens > 0) probe.emplace(setup_, world_, probe_rows_, [this] { refresh_weights(); });
  optimizer.step(update, grad_scale, [this](at::Tensor& values) { world_.sum(values); });
  if (clips_scores()) clip_scores(*setup_.config.optim.qk_clip, largest_scores(), *setup_.store);
  constrain();
  if (!probe) return;
  result.step_share = optimizer.step_share(probe->spread());
  if (*result.step_share == 1) return;
  probe->keep(*result.step_share);
  constrain();
}

void TrainStep::observe_sampled(std::int64_t update, std::int64_t targets) {
  auto& model = *setup_.model;
  const auto seed = static_cast<std::uint64_t>(setup_.config.run.seed);
  reducer_.clear();
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const Batch& batch = batches_[i];
    if (i + 1 == batches_.size() || shares_gradients(setup_)) reducer_.arm();
    const auto tensors = to_tensors(batch, setup_.config.data.reset_at_document, model.device());
    const TrainingPass pass{at::tensor(batch.samples, at::kLong), nullptr};
    const auto hidden = model.forward(tensors.tokens, tensors.documents, pass);
    const auto labels = sampled_labels(hidden, model.head(), tensors.targets, {seed, update, batch.samples});
    torch::autograd::backward({plain_objective_->forward(hidden, model.head(), labels).total}, {});
    if (rounds_left_ > 0) finish_round();
  }
  while (rounds_left_ > 0) finish_round();
  reducer_.finish();
  rounds_left_ = early_rounds(setup_, world_);
  setup_.store->pull_back();
  const SumOverRanks sum = [this](at::Tensor& values) { world_.sum(values); };
  setup_.optimizer->observe_sampled(update, 1.0 / static_cast<double>(targets), sum);
}

bool TrainStep::is_finite(double loss, double grad_norm) { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepResult TrainStep::finish(std::int64_t update, const Accept& accept) {
  auto& store = *setup_.store;
  auto& optimizer = *setup_.optimizer;
  StepResult result;
  while (rounds_left_ > 0) finish_round();  // other ranks had more micro-batches
  reducer_.finish();
  rounds_left_ = early_rounds(setup_, world_);
  const auto total = sum_over_ranks();
  result.targets = total.targets;
  if (total.targets > 0) {
    const double scale = 1.0 / static_cast<double>(total.targets);
    result.loss = total.losses[0] * scale;
    for (std::size_t i = 1; i < total.losses.size(); ++i) {
      result.terms.push_back({term_names_[i - 1], total.losses[i] * scale});
    }
    for (const double value : penalise(total.targets)) {
      result.terms.push_back({term_names_[result.terms.size()], value});
    }
    store.pull_back();
    const SumOverRanks sum = [this](at::Tensor& values) { world_.sum(values); };
    const auto measured = optimizer.measure(scale, sum);
    result.grad_norm = measured.grad_norm;
    result.clip_factor = measured.clip_factor;
    result.applied = result.clip_factor != 0 && accept(result.loss, result.grad_norm);
    if (result.applied) {
      move_masters(update, scale * measured.clip_factor, result);
      optimizer.average(update);
      store.advance();
      auto point = setup_.model->point();
      store.apply_buffers(++point.updates);
      setup_.model->set_point(point);
      refresh_weights();
      if (optimizer.samples_labels_after(update)) observe_sampled(update, total.targets);
    }
  }
  reducer_.clear();
  batches_.clear();
  sums_.reset();
  losses_->clear();
  targets_ = 0;
  probe_rows_ = {};
  return result;
}

}  // namespace ingot
