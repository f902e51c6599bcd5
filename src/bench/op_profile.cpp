#include "bench/op_profile.h"

#include <ATen/SequenceNumber.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>
#include <utility>

#include "bench/stats.h"

namespace ingot {
namespace {

constexpr const char* kBetween = "between operations";
constexpr const char* kNoGradient = "without gradient";

std::string without_suffix(std::string text, const std::string& suffix) {
  if (text.size() > suffix.size() && text.ends_with(suffix)) text.resize(text.size() - suffix.size());
  return text;
}

std::string snake_case(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (upper && !out.empty() && out.back() != '_') out += '_';
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace

std::string operation_name(const std::string& recorded) {
  std::string name = recorded;
  if (const auto open = name.find('<'); open != std::string::npos)
    name = name.substr(open + 1, name.rfind('>') - open - 1);
  if (const auto colons = name.rfind("::"); colons != std::string::npos) name = name.substr(colons + 2);
  if (recorded.starts_with("aten::")) return without_suffix(name, "_");
  while (!name.empty() && std::isdigit(static_cast<unsigned char>(name.back())) != 0) name.pop_back();
  name = snake_case(without_suffix(without_suffix(name, "Backward"), "Function"));
  return name == "to_copy" ? "to" : name;
}

struct OpProfiler::Impl {
  /// LibTorch's callbacks are plain functions: whom they tell.
  static thread_local Impl* listener;
  static std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& record) {
    if (listener != nullptr && listener->listening) listener->start(record);
    return nullptr;
  }
  static void on_end(const at::RecordFunction& record, at::ObserverContext* /*context*/) {
    if (listener != nullptr && listener->listening) listener->end(record);
  }

  /// What the time since `last` is charged to. A sequence number stands for a function whose name is not yet known.
  struct Owner {
    std::string name = kBetween;
    std::int64_t sequence = -1;
    bool backward = false;
  };
  /// What is running.
  struct Frame {
    at::RecordScope scope = at::RecordScope::FUNCTION;
    Owner owner;                  // what it charges, if anything
    std::string outer_place;      // before it
    std::uint64_t next_node = 0;  // sequence number when it began
    int aten_depth = 0;           // before it
    bool labelled = false;        // it set the owner
    bool nested = false;          // of a node: it runs a backward of its own
  };
  /// Nodes made while a sub-layer ran.
  struct Span {
    std::uint64_t first, last;
    std::string place;
  };
  struct Total {
    double seconds = 0;
    std::int64_t calls = 0;
  };

  bool listening = false;
  bool whole = false;  // everything belongs to one operation
  at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;
  double last = 0;
  Owner owner;
  std::string place;
  std::vector<Frame> frames;
  int aten_depth = 0, backward_depth = 0;
  bool backward_began = false;  // in this micro-batch
  std::vector<Span> spans;
  std::map<std::int64_t, std::string> names;                             // of nodes, by sequence number
  std::map<std::tuple<std::string, std::int64_t, bool>, Total> unnamed;  // (place, sequence number, backward)
  std::map<std::tuple<std::string, std::string, bool>, Total> totals;    // (place, name, backward)

  Owner between() const { return {kBetween, -1, backward_began}; }

  void charge(bool call = false) {
    const double now = seconds_now();
    Total& total = owner.sequence >= 0 ? unnamed[{place, owner.sequence, owner.backward}]
                                       : totals[{place, owner.name, owner.backward}];
    total.seconds += now - last;
    if (call) ++total.calls;
    last = now;
  }

  std::string place_of(std::int64_t sequence) const {
    const auto number = static_cast<std::uint64_t>(sequence);
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
      if (number >= span->first && number < span->last) return span->place;
    }
    if (backward_depth > 1) return place;  // made again in backward, for what runs there
    return spans.empty() || number < spans.front().first ? "embedding" : "head";
  }

  /// The innermost node that runs, but for `except`; null in forward and between nodes.
  Frame* node(const Frame* except = nullptr) {
    const auto found = std::find_if(frames.rbegin(), frames.rend(), [&](const Frame& frame) {
      return frame.scope == at::RecordScope::BACKWARD_FUNCTION && &frame != except;
    });
    return found == frames.rend() ? nullptr : &*found;
  }

  void start(const at::RecordFunction& record) {
    if (whole) return;
    charge();
    Frame& frame = frames.emplace_back();
    frame.scope = record.scope();
    frame.outer_place = place;
    frame.next_node = at::sequence_number::peek();
    frame.aten_depth = aten_depth;
    switch (record.scope()) {
      case at::RecordScope::USER_SCOPE:
        place = record.name();
        if (backward_depth == 0) owner = between();
        spans.push_back({frame.next_node, ~std::uint64_t{0}, place});
        break;
      case at::RecordScope::BACKWARD_FUNCTION:
        if (Frame* outer = node(&frame); outer != nullptr) outer->nested = true;
        ++backward_depth;
        aten_depth = 0;  // a call of backward may itself be recorded as an operation
        backward_began = true;
        owner = {operation_name(record.name()), -1, true};
        // Accumulation of leaves has no number: it belongs to what ran before.
        if (record.seqNr() >= 0) {
          place = place_of(record.seqNr());
          names[record.seqNr()] = owner.name;
        }
        frame.labelled = true;
        break;
      default:
        frame.labelled = aten_depth == 0 && label(record);
        ++aten_depth;
    }
    frame.owner = owner;
  }

  /// Whom an outermost ATen operation is charged to; true if to itself.
  bool label(const at::RecordFunction& record) {
    const Frame* running = node();
    const bool with_gradients = at::GradMode::is_enabled();
    const auto next_node = at::sequence_number::peek();
    // Between nodes backward adds up gradients, by operations of its own.
    const bool in_engine = running == nullptr ? backward_began : running->nested;
    if (!in_engine && !with_gradients) {
      // A node's own work, unless it has made nodes: then it computes a forward part again.
      if (running != nullptr && next_node == running->next_node) return false;
      owner = {"", static_cast<std::int64_t>(next_node) - 1, backward_began};
      return false;
    }
    owner = {operation_name(record.name()), -1, backward_began};
    return true;
  }

  void end(const at::RecordFunction& record) {
    if (whole || frames.empty()) return;
    const Frame frame = std::move(frames.back());
    frames.pop_back();
    charge(frame.labelled);
    switch (record.scope()) {
      case at::RecordScope::USER_SCOPE:
        place = backward_depth > 0 ? frame.outer_place : "head";
        if (backward_depth == 0) owner = between();
        spans.back().last = at::sequence_number::peek();
        break;
      case at::RecordScope::BACKWARD_FUNCTION:
        --backward_depth;
        aten_depth = frame.aten_depth;
        owner = between();
        break;
      default:
        --aten_depth;
        // Within a function what follows is its own loops.
        if (!frame.labelled) return;
        const Frame* running = node();
        owner = running != nullptr ? running->owner : between();
    }
  }

  void begin(const std::string& where, const Owner& first, bool as_a_whole) {
    place = where;
    owner = first;
    whole = as_a_whole;
    frames.clear();
    spans.clear();
    aten_depth = backward_depth = 0;
    backward_began = false;
    last = seconds_now();
    listening = true;
  }

  void finish() {
    charge(whole);
    listening = false;
    for (const auto& [key, total] : unnamed) {
      const auto& [where, sequence, backward] = key;
      const auto found = names.find(sequence);
      Total& sum = totals[{where, found == names.end() ? kNoGradient : found->second, backward}];
      sum.seconds += total.seconds;
      ++sum.calls;
    }
    unnamed.clear();
    names.clear();
  }
};

thread_local OpProfiler::Impl* OpProfiler::Impl::listener = nullptr;

OpProfiler::OpProfiler() : impl_(std::make_unique<Impl>()) {
  Impl::listener = impl_.get();
  impl_->handle = at::addThreadLocalCallback(at::RecordFunctionCallback(&Impl::on_start, &Impl::on_end));
}

OpProfiler::~OpProfiler() {
  at::removeCallback(impl_->handle);
  Impl::listener = nullptr;
}

void OpProfiler::begin_micro_batch() { impl_->begin("embedding", {}, false); }
void OpProfiler::begin_update() { impl_->begin("update", {"update", -1, false}, true); }
void OpProfiler::end() { impl_->finish(); }

std::vector<ProfiledOperation> OpProfiler::operations() const {
  std::vector<ProfiledOperation> out;
  for (const auto& [key, total] : impl_->totals) {
    const auto& [place, name, backward] = key;
    out.push_back({place, name, backward, total.seconds, total.calls});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ProfiledOperation& a, const ProfiledOperation& b) { return a.seconds > b.seconds; });
  return out;
}

double OpProfiler::seconds() const {
  double sum = 0;
  for (const auto& [key, total] : impl_->totals) sum += total.seconds;
  return sum;
}

}  // namespace ingot
