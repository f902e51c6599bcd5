#pragma once
// Where the time of training steps goes, by operation and by sub-layer operator, from LibTorch's own record of what
// runs.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ingot {

/// Time of one operation in one place.
struct ProfiledOperation {
  std::string place;  // operator of the pattern ("D"), "embedding", "head" (final norm and loss) or "update"
  std::string name;   // "linear", "rms_norm", "add"; "between operations" for what belongs to none
  bool backward = false;
  double seconds = 0;
  std::int64_t calls = 0;
};

/// Listens to the calling thread from each `begin_*` to the next `end`, and charges each stretch of time to one
/// operation:
///   forward    the outermost ATen operation; within a torch::autograd::Function, that function. It has no record of
///              its own, but its node takes the next sequence number and its forward runs with gradients off; the
///              node's name is known once backward runs it
///   backward   the node, whatever it calls; it belongs to the place where its forward ran
///   update     as a whole
/// CPU only: elsewhere operations are queued, and their time passes later.
class OpProfiler {
 public:
  OpProfiler();
  ~OpProfiler();
  OpProfiler(const OpProfiler&) = delete;
  OpProfiler& operator=(const OpProfiler&) = delete;

  void begin_micro_batch();
  void begin_update();
  void end();

  /// Largest first; all that was listened to. A name occurs once for each place and direction.
  std::vector<ProfiledOperation> operations() const;
  double seconds() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "torch::autograd::CppNode<…::LinearFunction>" -> "linear", "MulBackward0" -> "mul", "aten::add_" -> "add".
std::string operation_name(const std::string& recorded);

}  // namespace ingot
