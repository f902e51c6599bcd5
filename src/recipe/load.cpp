#include "recipe/load.h"

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "config/document.h"
#include "config/limits.h"
#include "config/reader.h"
#include "recipe/placement_bundle.h"
#include "registry/lookup.h"

namespace ingot {

namespace {

/// Puts the keys of the operator that `like` names under this one's own. Chains are followed; a loop is a problem.
void resolve_like(Node& operators, const std::string& name, std::set<std::string>& open, std::set<std::string>& done,
                  Problems& problems) {
  Node* op = operators.member(name);
  const Node* like = op != nullptr ? op->member("like") : nullptr;
  if (like == nullptr || like->kind != Node::Kind::kScalar || !done.insert(name).second) return;
  const auto base_name = like->scalar.text;
  const auto path = cat("model.operators.", name, ".like");
  std::vector<std::string> names;
  for (const auto& member : operators.members) names.push_back(member.key);
  if (operators.member(base_name) == nullptr) {
    problems.add(path, cat("no operator '", base_name, "'", did_you_mean(base_name, names)));
    return;
  }
  open.insert(name);
  if (open.count(base_name) != 0) {
    problems.add(path, cat("'", base_name, "' is itself like '", name, "'"));
    return;
  }
  resolve_like(operators, base_name, open, done, problems);
  open.erase(name);
  Node merged = *operators.member(base_name);
  merge(merged, *op);
  *op = std::move(merged);
}

void resolve_operators(Document& document, Problems& problems) {
  Node* model = document.root().member("model");
  Node* operators = model != nullptr ? model->member("operators") : nullptr;
  if (operators == nullptr) return;
  std::set<std::string> open, done;
  std::vector<std::string> names;
  for (const auto& member : operators->members) names.push_back(member.key);
  for (const auto& name : names) resolve_like(*operators, name, open, done, problems);
}

void check_until(const Duration& until, const std::string& path, Problems& problems) {
  if (until.unit == Duration::Unit::kPercent)
    problems.add(
        path, "a share of the run depends on the warm-up itself, expected steps, tokens, epochs or tokens/parameter");
}

void check_warmups(const RunConfig& config, Problems& problems) {
  const auto seq_len = config.data.seq_len;
  if (seq_len <= 0) return;
  const auto& train = config.train;
  for (std::size_t i = 0; i < train.batch_warmup.size(); ++i) {
    const auto& [batch, until] = train.batch_warmup[i];
    const auto path = cat("train.batch_warmup.", i);
    check_until(until, path + ".until", problems);
    try {
      if (batch.sequences(seq_len) < 1) problems.add(path + ".batch", "expected at least one sequence");
      if (batch.sequences(seq_len) > train.global_batch.sequences(seq_len))
        problems.add(path + ".batch", "more than train.global_batch, expected at most as much");
    } catch (const ConfigError& error) {
      problems.add(path + ".batch", error.what());
    }
  }
  for (std::size_t i = 0; i < train.context_warmup.size(); ++i) {
    const auto& [length, until] = train.context_warmup[i];
    const auto path = cat("train.context_warmup.", i);
    check_until(until, path + ".until", problems);
    if (length >= 1 && seq_len % length != 0)
      problems.add(path + ".length", cat("expected a divisor of data.seq_len, ", seq_len));
  }
}

void check_across_sections(const RunConfig& config, Problems& problems) {
  if (config.train.duration.unit == Duration::Unit::kPercent) {
    problems.add("train.duration",
                 "a share of the run cannot be its length, expected steps, tokens, epochs or "
                 "tokens/parameter");
  } else if (config.train.duration.amount <= 0) {
    problems.add("train.duration", "expected a length above 0");
  }
  if (config.train.global_batch.amount <= 0) {
    problems.add("train.global_batch", "expected at least one sequence");
  } else if (config.data.seq_len > 0) {
    try {
      const auto sequences = config.train.global_batch.sequences(config.data.seq_len);
      const auto most = std::min(limits::kRows, limits::kTokens / config.data.seq_len);
      if (sequences > most) {
        problems.add("train.global_batch", cat("out of range: ", format_grouped(sequences), " sequences, expected ",
                                               format_grouped(most), " at most"));
      }
    } catch (const ConfigError& error) {
      problems.add("train.global_batch", error.what());
    }
  }
  check_warmups(config, problems);
  if (const auto& best = config.checkpoint.best) {
    const auto sets = validation_set_names(config.data);
    if (sets.empty()) {
      problems.add("checkpoint.best", cat("no held-out set '", *best, "': data.validation asks for none"));
    } else if (std::find(sets.begin(), sets.end(), *best) == sets.end()) {
      problems.add("checkpoint.best",
                   cat("no held-out set '", *best, "', expected ", join(sets, ", "), did_you_mean(*best, sets)));
    }
  }
}

/// For what only the length of the run, the model or a checkpoint tells.
void note_places(const Document& document, RunConfig& config) {
  std::vector<std::string> paths{"optim.schedule", "optim.clip",     "optim.optimizer.weight_decay",
                                 "optim.decay",    "train.duration", "train.start_from.expand"};
  for (std::size_t i = 0; i < config.optim.groups.size(); ++i) {
    const auto group = cat("optim.groups.", i);
    config.optim.groups[i].where = document.nearest(group).where();
    for (const char* key : {".schedule", ".weight_decay", ".optimizer.weight_decay"}) paths.push_back(group + key);
  }
  const auto add_constraints = [&](const std::string& path, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) paths.push_back(cat(path, ".constraints.", i));
  };
  add_constraints("weights", config.weights.constraints.size());
  for (std::size_t i = 0; i < config.weights.overrides.size(); ++i) {
    const auto& own = config.weights.overrides[i].constraints;
    if (own) add_constraints(cat("weights.overrides.", i), own->size());
  }
  for (const auto& path : paths) config.places[path] = document.nearest(path).where();
}

}  // namespace

RunConfig read_run_config(const Document& given, const Families& families, UnsetNames unset) {
  Document document = given;
  Problems problems(document);
  resolve_operators(document, problems);
  RunConfig config;
  ReadOptions options;
  options.accept_unset_names = unset == UnsetNames::kAccept;
  const FamiliesLookup lookup(families);
  read_config(document, lookup, config, problems, options);
  problems.throw_if_any();
  apply_bundles(document, families, config);
  choose_others(families, config.optim);
  check_across_sections(config, problems);
  note_places(document, config);
  check_data_config(config.data, problems, "data");
  validate(config.model, problems);
  validate(config.optim, problems);
  validate(config.weights, problems);
  problems.throw_if_any();
  if (config.run.dir.empty()) config.run.dir = cat("runs/", config.run.name);
  config.run.dir = fs::absolute(config.run.dir).lexically_normal().string();
  return config;
}

RunConfig load_config(const std::string& path, const std::vector<std::string>& overrides, const Families& families,
                      UnsetNames unset) {
  return read_run_config(Document::load(path, overrides), families, unset);
}

}  // namespace ingot
