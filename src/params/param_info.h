#pragma once
// What is known of a parameter from its declaration. Constraints, inits, groups, decay, sharding and probes select by
// these facts, never by hard-coded names.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace ingot {

class RandomStream;

/// A parameter has one or more roles; a tied embedding is also the head.
enum class Role : std::uint32_t {
  kEmbedding = 1 << 0,     // rows are looked up by token
  kHead = 1 << 1,          // rows give logits
  kReadsStream = 1 << 2,   // matrix applied to the residual stream (its rows are d_model long)
  kWritesStream = 1 << 3,  // matrix whose output joins the stream (its columns are d_model long)
  kInner = 1 << 4,         // matrix that touches the stream on neither side
  kConv = 1 << 5,
  kGain = 1 << 6,
  kBias = 1 << 7,
  kScalar = 1 << 8,     // per-head and other scalars (a_log, dt_bias, d)
  kMeta = 1 << 9,       // meta tokens
  kPosition = 1 << 10,  // learned position table
};

class RoleSet {
 public:
  RoleSet() = default;
  RoleSet(Role role) : bits_(static_cast<std::uint32_t>(role)) {}  // NOLINT: a role is a set of one
  RoleSet(std::initializer_list<Role> roles);
  bool has(Role role) const { return (bits_ & static_cast<std::uint32_t>(role)) != 0; }
  /// Whether the two sets share a role.
  bool any(RoleSet other) const { return (bits_ & other.bits_) != 0; }
  /// Names as in the config ("embedding", "reads_stream", …), in declaration order.
  std::vector<std::string> names() const;
  bool operator==(const RoleSet&) const = default;

 private:
  std::uint32_t bits_ = 0;
};

/// All role names in declaration order.
const std::vector<std::string>& role_names();
/// Throws ConfigError on an unknown name.
Role role_from_name(const std::string& name);

/// Matrices that take weight decay and low-precision compute weights unless told otherwise.
RoleSet matrix_roles();

/// The largest unit that an update may look at as a whole. Sharding never cuts through it.
enum class Granularity { kElement, kRow, kColumn, kMatrix };
/// The finest unit that serves both.
Granularity coarser(Granularity a, Granularity b);

/// Fills an fp32 or fp64 CPU tensor of the parameter's shape; all randomness comes from the stream.
struct ParamInfo;
using InitFunction = std::function<void(at::Tensor& weight, const ParamInfo& info, RandomStream& random)>;

struct ParamInfo {
  std::string name;                 // "layers.4.mixer.q.weight": random key, checkpoint key, glob target
  std::vector<std::int64_t> shape;  // weights are [out, in]
  RoleSet roles;
  std::string part;      // "q", "k", "v", "o", "gate", "up", "down", "z", "x", "b", "c", "dt", "out", "beta" or ""
  std::string op;        // the operator's name in the pattern ("D", "Swa"), "" outside the stack
  int depth = -1;        // index of the sub-layer, -1 outside the stack
  int hidden_axis = -1;  // the axis whose length is d_model, -1 if none
  std::int64_t fan_in = 0;
  std::int64_t fan_out = 0;
  std::int64_t head_rows = 0;  // where the rows are those of heads in turn: of each, 1 for one number a head; else 0
  /// Set where the definition of the module fixes the start value (gains 1, a_log, …); `weights.init` does the rest.
  InitFunction fixed_init;
  std::string fixed_init_name;  // as `plan --params` shows it: "ones", "log_uniform(1, 16)"

  std::int64_t numel() const;
  /// fp32 whatever the precision of the run: everything but matrices.
  bool keeps_master_dtype() const { return !roles.any(matrix_roles()); }
};

/// Whether it is a matrix between activations, or with `embeddings` also one of embedding and head.
bool is_weight_matrix(const ParamInfo& info, bool embeddings = false);
/// Whether it is a matrix between activations whose rows and columns form spaces, so that its singular values mean
/// something: none that gives one number a head (steps dt, write strengths beta).
bool is_mixing_matrix(const ParamInfo& info);

/// Start values for `ParamInfo::fixed_init`.
InitFunction constant_init(double value);
InitFunction uniform_init(double low, double high);
InitFunction normal_init(double std);

}  // namespace ingot
