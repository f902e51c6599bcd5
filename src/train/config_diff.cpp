#include "train/config_diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "config/document.h"
#include "recipe/load.h"
#include "train/plan.h"

namespace ingot {
namespace {

using Tables = std::vector<Table>;

Tables built_tables(const TrainSetup& setup) {
  return {layer_table(setup), parameter_table(setup), course_table(setup)};
}

std::vector<std::string> changed_rows(const Tables& before, const Tables& after) {
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (auto& row : compare_tables(before[i], after[i])) rows.push_back(std::move(row));
  }
  return rows;
}

/// Whether everything that the value can do shows in the tables.
bool is_in_tables(const std::string& path) {
  for (const char* section : {"model.", "weights.", "optim."}) {
    if (path.starts_with(section)) return true;
  }
  return path == "train.duration" || path == "train.global_batch" || path == "train.z_loss" ||
         path.starts_with("train.objective") || path.starts_with("train.batch_warmup") ||
         path.starts_with("train.context_warmup");
}

/// The values that no table shows.
std::vector<std::pair<std::string, std::string>> other_values(const RunConfig& config) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& field : flatten(config)) {
    if (field.field_class != FieldClass::kFree && !is_in_tables(field.path)) out.emplace_back(field.path, field.value);
  }
  return out;
}

/// A config and what is known of it.
struct Side {
  Side(const RunConfig& given, const std::function<TrainSetup(const RunConfig&)>& build)
      : config(given),
        document(Document::parse(dump_config(given), "config")),
        tables(built_tables(build(given))),
        others(other_values(given)) {
    for (const auto& field : flatten(given)) {
      std::string path = field.path;
      for (paths.insert(path); path.find('.') != std::string::npos; paths.insert(path)) {
        path.resize(path.rfind('.'));
      }
      values.emplace(field.path, field.value);
    }
  }

  const RunConfig& config;
  Document document;
  Tables tables;
  std::vector<std::pair<std::string, std::string>> others;
  std::map<std::string, std::string> values;  // by path
  std::set<std::string> paths;                // of values and of all that holds values
};

bool is_index(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Whether `path`, of which both sides have something, can only change as a whole: a single value on one side, or a
/// variant of another name.
bool changes_whole(const std::string& path, const Side& a, const Side& b) {
  const auto leaf_a = a.values.find(path), leaf_b = b.values.find(path);
  if ((leaf_a == a.values.end()) != (leaf_b == b.values.end())) return true;
  const auto type_a = a.values.find(path + ".type"), type_b = b.values.find(path + ".type");
  return type_a != a.values.end() && type_b != b.values.end() && type_a->second != type_b->second;
}

/// The part of the config around a differing value that can stand alone.
std::string unit_of(const std::string& path, const Side& a, const Side& b) {
  for (std::size_t end = path.find('.'); end != std::string::npos; end = path.find('.', end + 1)) {
    const auto part = path.substr(0, end), next = path.substr(end + 1, path.find('.', end + 1) - end - 1);
    const bool on_one_side = a.paths.contains(part) != b.paths.contains(part);
    if (on_one_side || is_index(next) || changes_whole(part, a, b)) return part;
  }
  return path;
}

/// Makes what lies at `path` below `into` what it is below `from`; absent there, it goes.
void graft(Node& into, const Node& from, std::string_view path) {
  const auto dot = path.find('.');
  const std::string key(path.substr(0, dot));
  const auto* source = from.find_member(key);
  Node* target = into.member(key);
  if (source == nullptr) {
    std::erase_if(into.members, [&](const Node::Member& member) { return member.key == key; });
  } else if (target == nullptr) {
    into.members.push_back(*source);
  } else if (dot == std::string_view::npos || target->kind != Node::Kind::kMap) {
    *target = source->value;
  } else {
    graft(*target, source->value, path.substr(dot + 1));
  }
}

enum class Effect { kNone, kInTables, kElsewhere, kUnknown };

/// What `side` becomes with the other's values at `unit`.
Effect effect_of(const std::string& unit, const Side& side, const Side& other, const Families& families,
                 const std::function<TrainSetup(const RunConfig&)>& build) {
  Document document = side.document;
  graft(document.root(), other.document.root(), unit);
  try {
    const auto config = read_run_config(document, families, UnsetNames::kAccept);
    if (!changed_rows(side.tables, built_tables(build(config))).empty()) return Effect::kInTables;
    return other_values(config) == side.others ? Effect::kNone : Effect::kElsewhere;
  } catch (const Error&) {
    return Effect::kUnknown;
  }
}

}  // namespace

ConfigDiff compare_configs(const RunConfig& before, const RunConfig& after, const Families& families,
                           const std::function<TrainSetup(const RunConfig&)>& build) {
  ConfigDiff out;
  out.differences = diff(flatten(before), flatten(after));
  if (out.differences.empty()) return out;
  const Side a(before, build), b(after, build);
  out.effects = changed_rows(a.tables, b.tables);
  std::set<std::string> judged;
  for (const auto& difference : out.differences) {
    if (difference.field_class == FieldClass::kFree) {
      out.dead.push_back(difference.path);
      continue;
    }
    const auto unit = unit_of(difference.path, a, b);
    if (!judged.insert(unit).second) continue;
    const auto forward = effect_of(unit, a, b, families, build);
    if (forward == Effect::kNone && effect_of(unit, b, a, families, build) == Effect::kNone) {
      out.dead.push_back(unit);
    } else if (forward != Effect::kInTables && !is_in_tables(unit + ".")) {
      out.outside.push_back(unit);
    }
  }
  return out;
}

}  // namespace ingot
