#pragma once
// What the parts of ParameterStore share. Private to src/params/store_*.cpp.

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "params/init.h"
#include "params/penalty.h"
#include "params/store.h"

namespace ingot {
namespace params_detail {

/// A constraint of a parameter.
struct Constrained {
  std::shared_ptr<const Constraint> constraint;
  ConstraintSchedule schedule;
  std::string prefix;                   // of its states' names
  std::vector<ConstraintState> specs;   // of the whole parameter
  std::vector<at::Tensor> states = {};  // of what is owned
  std::int64_t start = -1;              // in updates; -1: not known yet
};

/// A parameter. Its choices are made by `layout`, its tensors by `allocate`.
struct Declared {
  ParamInfo info;
  Leaf* leaf = nullptr;
  std::int64_t first_row = 0;  // within the leaf

  std::shared_ptr<const Parametrization> parametrization;
  std::vector<Constrained> constraints;
  struct ChosenPenalty {
    std::shared_ptr<const Penalty> penalty;
    std::int64_t index = 0;               // in Impl::penalties
    std::string prefix = {};              // of its states' names
    std::vector<KeptState> specs = {};    // of the whole parameter
    std::vector<at::Tensor> states = {};  // of what is owned
  };
  std::vector<ChosenPenalty> penalties;
  std::shared_ptr<const Init> init;  // null: info.fixed_init
  double init_factor = 1;            // of what `init` gives
  double forward = 1;                // part of `parametrization`
  ParamChoice choice;
  std::size_t first_master = 0;  // in Impl::masters
  std::size_t num_masters = 0;

  // What of it is owned; nothing of a parameter that is not.
  std::vector<at::Tensor> values;  // of the masters, in order
  std::vector<at::Tensor> grads;   // likewise; undefined for state
  at::Tensor weight;               // the same rows or elements of the leaf, without history
  at::Tensor weight_grad;
  bool is_owned() const { return !values.empty(); }
};

/// Where a leaf's weight lies.
enum class LeafKind {
  kMaster,       // the masters themselves
  kCast,         // the low buffer; gradient = master gradient
  kMaterialised  // the low or the high buffer, by dtype; own gradient
};

struct Leaf {
  std::vector<Declared*> parts;
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> shape;
  std::int64_t numel = 0;

  LeafKind kind = LeafKind::kMaster;
  at::ScalarType dtype = at::kFloat;
  std::int64_t master_offset = 0;  // kMaster, kCast
  std::int64_t weight_offset = 0;  // kCast, kMaterialised
  std::int64_t grad_offset = 0;    // kMaterialised

  at::Tensor weight;
  at::Tensor grad;
  // Within ParameterStore::fit_outputs:
  enum class Fit { kOff, kCounts, kActs };
  Fit fit = Fit::kOff;
  std::int64_t fit_tokens = 0;  // of the largest product
};

struct DeclaredBuffer {
  std::string name;
  BufferSpec spec;
  at::Tensor value;
  at::Tensor accumulator;
};

/// Neighbouring elements of the layout of all masters that this process stores.
struct Stretch {
  std::int64_t begin = 0, end = 0;  // in the layout of all
  std::int64_t local = 0;           // where `begin` lies in the flat masters
};

/// Masters whose cast is one copy: neighbours in the flat masters and, at the same distances, in the low buffer.
struct CastRun {
  std::int64_t master_offset = 0;  // in the flat masters
  std::int64_t weight_offset = 0;
  std::int64_t numel = 0;
};

/// Elements. 64 bytes of the narrowest compute type (bf16), so that offsets serve every dtype.
constexpr std::int64_t kAlignment = 32;
inline std::int64_t align_up(std::int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

std::int64_t product(const std::vector<std::int64_t>& shape);
/// The effective weight of what is owned of a parameter, in master dtype, without history: of a plain one the master
/// itself, else a tensor of its own.
at::Tensor effective_weight(const Declared& param, const at::TensorOptions& options);
/// The place of a name in a list, at whose end it is put if it is not there.
std::int64_t place_of(std::vector<std::string>& names, const std::string& name);
/// Elements of one row.
std::int64_t row_numel(const std::vector<std::int64_t>& shape);

}  // namespace params_detail

struct ParameterStore::Impl {
  // declare
  std::deque<params_detail::Declared> params;
  std::deque<params_detail::Leaf> leaves;
  std::deque<params_detail::DeclaredBuffer> buffers;
  std::set<std::string> names;
  std::vector<std::string> losses;
  std::int64_t declared_numel = 0;

  // layout
  bool laid_out = false;
  StoreOptions options;
  int num_sublayers = 0;
  std::int64_t total_updates = 0;  // as constraints see it
  std::shared_ptr<const Scaling> scaling;
  std::vector<Master> masters;
  std::vector<params_detail::Declared*> param_of;  // by master
  std::vector<std::string> penalties;              // names, each once
  std::int64_t master_numel = 0;                   // of all masters
  std::int64_t low_numel = 0;                      // weights in compute dtype
  std::int64_t high_numel = 0;                     // materialised weights in master dtype
  std::int64_t grad_numel = 0;                     // gradients of materialised weights

  // own
  bool owns_all = true;
  bool owns_buffers = true;
  std::vector<Master> owned;
  std::vector<params_detail::Stretch> stretches;
  std::vector<params_detail::CastRun> cast_runs;
  std::int64_t stored_numel = 0;  // of the flat masters

  // allocate
  bool allocated = false;
  at::Tensor flat_masters, flat_grads, flat_low, flat_high, flat_weight_grads, flat_accumulators;

  void add_name(const std::string& name);
  void check_declaring() const;
  void check_allocated(const char* what) const;

  std::int64_t d_model() const;
  void choose(const WeightsConfig& config);
  void choose_penalties(const WeightsConfig& config, std::vector<std::string>& problems);
  void place_masters();
  void place_weights();

  void place_owned();
  void place_casts();
  std::int64_t local_offset(std::int64_t offset) const;
  std::int64_t masters_end(const params_detail::Leaf& leaf) const;

  void make_masters();
  void make_leaves();
  void make_owned();
  std::vector<at::Tensor> make_owned_states(const params_detail::Declared& param, const std::vector<KeptState>& specs);
  void make_buffers(std::int64_t accumulator_numel);
  void fill(params_detail::Declared& param, std::uint64_t seed);
  /// Lets those constraints act for which `due` says so, after `begin` where it asks for that.
  enum class Due { kNo, kActs, kBegins };
  void constrain(const ConstraintStep& step, const std::function<Due(const params_detail::Constrained&)>& due);
  /// For every constraint of the master's parameter that is in force and changes updates.
  void change_update(const Master& part, const ConstraintStep& step,
                     const std::function<void(const params_detail::Constrained&, const ConstraintContext&)>& change);
  void begin_penalties(const std::set<std::string>& kept);
};

}  // namespace ingot
