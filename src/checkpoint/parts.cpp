#include "checkpoint/parts.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "checkpoint/manifest.h"

namespace ingot::checkpoint_detail {
namespace {

using nlohmann::json;

constexpr char kPartMark = '@';
constexpr const char* kShapes = "shapes";

/// Readers of transformers look for this entry.
const TensorMetadata kMetadata{{"format", "pt"}};

/// "name@128" is name and 128; what has no such ending is a whole tensor, with -1.
std::pair<std::string, std::int64_t> split(const std::string& entry) {
  const auto mark = entry.rfind(kPartMark);
  if (mark == std::string::npos) return {entry, -1};
  std::int64_t begin = -1;
  const char* end = entry.data() + entry.size();
  const auto [rest, error] = std::from_chars(entry.data() + mark + 1, end, begin);
  if (error != std::errc{} || rest != end || begin < 0) return {entry, -1};
  return {entry.substr(0, mark), begin};
}

std::string describe_tensor(at::IntArrayRef shape, at::ScalarType dtype) {
  return cat(shape, " ", c10::toString(dtype));
}

/// The product of a shape that a file states. Throws Damage where it does not fit.
std::int64_t elements_of(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const auto size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) throw Damage{cat("the shape of tensor '", name, "' is too large")};
  }
  return count;
}

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

/// Whole shapes of the tensors of which a file has parts.
Shapes shapes_of(const SafetensorsFile& file) {
  Shapes shapes;
  const auto found = file.metadata().find(kShapes);
  if (found == file.metadata().end()) return shapes;
  const std::string source = cat(file.path().filename().string(), ": ", kShapes);
  as_damage([&] {
    for (const auto& [name, value] : JsonValue::parse(found->second, {source, ExitCode::kCheckpoint}).members()) {
      for (const auto& size : value.items()) shapes[name].push_back(size.whole(0));
    }
  });
  return shapes;
}

}  // namespace

FileContents to_file(const StateTensors& tensors) {
  FileContents out{{}, kMetadata};
  json shapes = json::object();
  for (const auto& state : tensors) {
    if (!state.is_owned()) continue;
    if (state.is_whole()) {
      out.tensors.emplace_back(state.name, state.tensor);
      continue;
    }
    out.tensors.emplace_back(cat(state.name, kPartMark, state.begin), state.tensor.flatten());
    shapes[state.name] = state.shape;
  }
  if (!shapes.empty()) out.metadata[kShapes] = shapes.dump();
  return out;
}

std::int64_t whole_size(const StateTensors& tensors) {
  NamedTensors all;
  for (const auto& state : tensors) {
    const auto dtype = state.is_owned() ? state.tensor.scalar_type() : at::kFloat;
    all.emplace_back(state.name, at::empty(state.shape, at::TensorOptions().dtype(dtype).device(at::kMeta)));
  }
  return safetensors_size(all, kMetadata);
}

TensorGroup::TensorGroup(const fs::path& dir, const std::vector<std::string>& files) {
  for (const auto& name : files) add(SafetensorsFile(dir / name));
  for (auto& [name, whole] : tensors_) {
    std::sort(whole.parts.begin(), whole.parts.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
    std::int64_t reached = 0;
    for (const auto& part : whole.parts) {
      if (part.begin < reached) throw Damage{cat("tensor '", name, "' is in two files")};
      if (part.begin > reached) break;
      reached += part.tensor.numel();
    }
    if (reached == elements_of(name, whole.shape)) continue;
    throw Damage{cat("of tensor '", name, "' the part from element ", reached, " on is missing")};
  }
}

void TensorGroup::add(const SafetensorsFile& file) {
  const auto shapes = shapes_of(file);
  for (const auto& entry : file.entries()) {
    auto [name, begin] = split(entry.name);
    auto shape = entry.shape;
    if (const auto known = shapes.find(name); begin >= 0 && known != shapes.end()) {
      shape = known->second;
    } else {
      name = entry.name;
      begin = 0;
    }
    auto& whole = tensors_.try_emplace(name, Whole{shape, entry.dtype, {}}).first->second;
    if (whole.shape != shape || whole.dtype != entry.dtype) {
      throw Damage{cat("the parts of tensor '", name, "' differ in type or whole shape")};
    }
    whole.parts.push_back({file.tensor(entry.name), begin});
  }
}

std::map<std::string, std::vector<std::int64_t>> TensorGroup::shapes() const {
  Shapes out;
  for (const auto& [name, whole] : tensors_) out.emplace(name, whole.shape);
  return out;
}

namespace {

/// Counters of updates, which earlier programs saved with every norm and residual rule that goes by their number;
/// state.json has it.
bool is_retired(const std::string& name) { return name.ends_with("_norm.steps") || name == "residual.steps"; }

}  // namespace

void TensorGroup::compare(const StateTensors& wanted, std::vector<std::string>& missing,
                          std::vector<std::string>& extra, std::vector<std::string>& different) const {
  auto rest = tensors_;
  for (const auto& state : wanted) {
    const auto found = tensors_.find(state.name);
    rest.erase(state.name);
    const auto dtype = [&](at::ScalarType other) { return state.is_owned() ? state.tensor.scalar_type() : other; };
    if (found == tensors_.end()) {
      missing.push_back(cat("'", state.name, "' ", describe_tensor(state.shape, dtype(at::kFloat))));
      continue;
    }
    const auto& there = found->second;
    if (state.shape == there.shape && dtype(there.dtype) == there.dtype) continue;
    different.push_back(cat("'", state.name, "' is ", describe_tensor(there.shape, there.dtype), " there, ",
                            describe_tensor(state.shape, dtype(there.dtype)), " here"));
  }
  for (const auto& entry : rest) {
    if (is_retired(entry.first) || entry.first.find(kConstraintMark) != std::string::npos) continue;
    extra.push_back(cat("'", entry.first, "'"));
  }
}

void TensorGroup::copy_to(const StateTensors& targets) const {
  const at::NoGradGuard no_grad;
  for (const auto& target : targets) {
    if (!target.is_owned()) continue;
    const auto& parts = tensors_.at(target.name).parts;
    if (target.is_whole() && parts.size() == 1) {
      target.tensor.copy_(parts[0].tensor.view(target.tensor.sizes()));
      continue;
    }
    auto flat = target.tensor.view({-1});
    const auto end = target.begin + flat.numel();
    for (const auto& part : parts) {
      const auto first = std::max(target.begin, part.begin), last = std::min(end, part.begin + part.tensor.numel());
      if (first >= last) continue;
      flat.narrow(0, first - target.begin, last - first)
          .copy_(part.tensor.flatten().narrow(0, first - part.begin, last - first));
    }
  }
}

}  // namespace ingot::checkpoint_detail
