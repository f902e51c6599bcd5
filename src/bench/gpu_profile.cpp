#include "bench/gpu_profile.h"

#include <kineto/ActivityType.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace ingot {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

constexpr std::size_t kLongestName = 72;

void remove_all(std::string& text, const std::string& part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at)) text.erase(at, part.size());
}

/// Without the list of arguments at the end.
void remove_arguments(std::string& name) {
  if (name.empty() || name.back() != ')') return;
  int depth = 0;
  for (std::size_t i = name.size(); i-- > 0;) {
    if (name[i] == ')') ++depth;
    if (name[i] == '(' && --depth == 0) {
      name.resize(i);
      return;
    }
  }
}

}  // namespace

std::string short_kernel_name(const std::string& name) {
  std::string out = name;
  if (out.starts_with("void ")) out.erase(0, 5);
  remove_arguments(out);
  for (const char* part : {"(anonymous namespace)::", "at::native::", "ingot::cuda::", "c10::"}) remove_all(out, part);
  if (out.size() > kLongestName) out = out.substr(0, kLongestName - 3) + "...";
  return out;
}

GpuProfile profile_gpu(const std::function<void()>& work, const std::string& trace_path) {
  const std::set<ActivityType> activities = {ActivityType::CPU, ActivityType::CUDA};
  const ProfilerConfig config(ProfilerState::KINETO);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  work();
  const auto result = profiler::disableProfiler();
  if (!trace_path.empty()) result->save(trace_path);

  std::map<std::string, KernelTime> kernels;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> spans;
  for (const auto& event : result->events()) {
    const auto kind = static_cast<libkineto::ActivityType>(event.activityType());
    if (kind != libkineto::ActivityType::CONCURRENT_KERNEL && kind != libkineto::ActivityType::GPU_MEMCPY &&
        kind != libkineto::ActivityType::GPU_MEMSET) {
      continue;
    }
    KernelTime& kernel = kernels[event.name()];
    kernel.seconds += 1e-9 * static_cast<double>(event.durationNs());
    ++kernel.calls;
    spans.emplace_back(event.startNs(), event.endNs());
  }
  GpuProfile out;
  std::sort(spans.begin(), spans.end());
  std::uint64_t busy = 0, until = 0;
  for (const auto& [start, end] : spans) {
    if (end > until) busy += end - std::max(start, until);
    until = std::max(until, end);
  }
  if (!spans.empty()) out.seconds = 1e-9 * static_cast<double>(until - spans.front().first);
  out.busy = 1e-9 * static_cast<double>(busy);
  for (auto& [name, kernel] : kernels) {
    kernel.name = short_kernel_name(name);
    out.kernels.push_back(std::move(kernel));
  }
  std::stable_sort(out.kernels.begin(), out.kernels.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return out;
}

}  // namespace ingot
