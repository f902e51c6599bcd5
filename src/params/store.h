#pragma once
// ParameterStore: every weight of a model, in phases.
//
//   declare   modules ask a ParamScope for Params: names, roles, shapes; no memory
//   layout    parametrization, constraints and init of each are chosen; offsets in the flat buffers are fixed
//   own       optional: only some masters, or parts of them, are stored and updated by this process
//   allocate  flat masters and gradients, one flat compute buffer, leaves of autograd
//
// Flat layout. One master buffer (fp32) holds every master tensor in declaration order; the gradient buffer has the
// same offsets. Parameters declared as one joined leaf (q, k, v; gate, up) lie without gaps, so that one product serves
// them; every leaf starts at a multiple of 64 bytes. What a leaf's compute weight is:
//   all parts `plain` and kept in master dtype:  a view of the masters themselves; gradient = master gradient
//   all parts `plain`, lower precision:          a slice of the compute buffer; gradient = master gradient
//   otherwise:                                   slices of the compute buffer and of a compute-gradient buffer;
//                                                `pull_back` maps these to master gradients
// A leaf keeps its identity (same tensor, same storage, same gradient storage) from `allocate` on.
//
// Where ranks share the masters out (`own`), every rank has all compute weights and all gradients, but of the masters
// only those it owns and those that are compute weights themselves. `initialise`, `materialise` and the other calls of
// a step then give values to what this rank owns; the rest comes from its owners (dist/weight_exchange.h).

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "params/constraint.h"
#include "params/ownership.h"
#include "params/param_info.h"
#include "params/parametrization.h"
#include "params/scaling.h"

namespace ingot {

struct WeightsConfig;
class ParameterStore;

namespace params_detail {
struct Leaf;
struct Declared;
}  // namespace params_detail

/// Handle of a declared parameter. Cheap to copy; lives as long as the store.
class Param {
 public:
  Param() = default;
  explicit operator bool() const { return declared_ != nullptr; }
  const ParamInfo& info() const;
  /// The weight that the model uses. For a joined parameter a view of its rows of the leaf: differentiable, but its
  /// gradient passes through a zero-padded copy of the leaf's.
  at::Tensor compute() const;

 private:
  friend class ParameterStore;
  explicit Param(const params_detail::Declared* declared) : declared_(declared) {}
  const params_detail::Declared* declared_ = nullptr;
};

/// Handle of a leaf of autograd: one parameter, or several joined along their rows.
class WeightLeaf {
 public:
  WeightLeaf() = default;
  explicit operator bool() const { return leaf_ != nullptr; }
  /// [sum of rows, in]; requires grad. The same tensor on every call.
  const at::Tensor& weight() const;
  /// Gradient buffer in master dtype, same shape, always defined: operations may add into it directly.
  const at::Tensor& grad() const;
  /// Within ParameterStore::fit_outputs: divides the rows of `weight` and of the masters by the standard deviation of
  /// each output over the tokens of the product [..., sum of rows], if it is that of the batch. Returns whether any
  /// was: compute it again.
  bool fit(const at::Tensor& product) const;
  /// Row counts of the parts, in order.
  const std::vector<std::int64_t>& rows() const;

  // Known before `allocate`:
  std::int64_t numel() const;
  /// Which flat buffer holds the gradient, and from which element on.
  enum class GradBuffer { kMasters, kWeights };
  GradBuffer grad_buffer() const;
  std::int64_t grad_offset() const;

 private:
  friend class ParameterStore;
  explicit WeightLeaf(const params_detail::Leaf* leaf) : leaf_(leaf) {}
  const params_detail::Leaf* leaf_ = nullptr;
};

/// A running statistic. `value` is read during the step; `accumulator` is added to and applied once per step.
class Buffer {
 public:
  Buffer() = default;
  const at::Tensor& value() const { return *value_; }
  const at::Tensor& accumulator() const { return *accumulator_; }

 private:
  friend class ParameterStore;
  Buffer(const at::Tensor* value, const at::Tensor* accumulator) : value_(value), accumulator_(accumulator) {}
  const at::Tensor* value_ = nullptr;
  const at::Tensor* accumulator_ = nullptr;
};

/// A loss that layers add beside the main one, by its place in `ParameterStore::losses()`.
struct LossTerm {
  std::int64_t index = -1;
};

/// What a module says of a parameter; the scope adds its name's prefix, depth and operator. fan_in and fan_out default
/// to the shape's.
struct ParamSpec {
  std::string name;  // below the scope: "weight", "q.weight"
  std::vector<std::int64_t> shape;
  RoleSet roles;
  std::string part;
  int hidden_axis = -1;
  InitFunction fixed_init;
  std::string fixed_init_name;
  std::int64_t fan_in = 0;
  std::int64_t fan_out = 0;
  std::int64_t head_rows = 0;
};

struct BufferSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> accumulator_shape;
  double initial = 0;
  /// value <- update(value, accumulator), after the accumulator was summed over ranks and micro-batches. `number`
  /// counts the updates that were applied, from 1.
  std::function<void(at::Tensor& value, const at::Tensor& accumulator, std::int64_t number)> update;
};

/// Where in the model a module declares.
class ParamScope {
 public:
  explicit ParamScope(ParameterStore& store) : store_(&store) {}
  /// A scope below this one: scope.sub("mixer").
  ParamScope sub(const std::string& name) const;
  /// The same scope for sub-layer `depth` of operator `op`.
  ParamScope at(int depth, const std::string& op) const;

  Param declare(const ParamSpec& spec) const;
  /// Parameters with equal column counts that share one leaf. Returned in order; their leaf is `leaf_of` any of them.
  std::vector<Param> declare_joined(const std::vector<ParamSpec>& specs) const;
  Buffer declare_buffer(const BufferSpec& spec) const;
  /// A loss by its name in the metrics; modules that give one name add to the same.
  LossTerm declare_loss(const std::string& name) const;
  WeightLeaf leaf_of(const Param& param) const;

  int depth() const { return depth_; }
  const std::string& op() const { return op_; }
  const std::string& prefix() const { return prefix_; }

 private:
  std::string full_name(const std::string& name) const;
  ParamInfo make_info(const ParamSpec& spec) const;
  ParameterStore* store_;
  std::string prefix_;
  std::string op_;
  int depth_ = -1;
};

/// A stored tensor, or the part of one that this process owns, as optimizers and checkpoints see it: views into the
/// flat buffers.
struct Master {
  std::string name;  // parameter name + suffix of the parametrization
  const ParamInfo* param = nullptr;
  std::size_t index = 0;            // in `masters()`
  std::vector<std::int64_t> shape;  // of a part: its rows, or flat where it does not begin and end with a row
  std::int64_t begin = 0;           // of a part: its first element in the whole
  std::int64_t offset = 0;          // in elements, in the flat gradients and, where all is owned, in the flat masters
  std::int64_t numel = 0;
  bool trained = true;
  bool decays = true;
  bool scale_free = false;                          // as in MasterSpec
  Granularity granularity = Granularity::kElement;  // the coarsest of parametrization and constraints
  at::Tensor value;                                 // undefined before allocate
  at::Tensor grad;                                  // likewise
};

struct StoreOptions {
  at::ScalarType compute_dtype = at::kFloat;  // of matrices; the rest keeps the master dtype
  at::ScalarType master_dtype = at::kFloat;   // kDouble in tests
  at::Device device = at::kCPU;
};

/// An update as constraints see it.
struct ConstraintStep {
  std::int64_t update = 0;  // counted as schedules are
  // Of a trained master at this update; null: 0. See ConstraintContext.
  std::function<double(const Master&)> lr{};
  std::function<double(const Master&)> decay{};
};

/// A constraint of a parameter.
struct ChosenConstraint {
  std::string path;  // in the config, without a file: "weights.constraints.0"
  std::shared_ptr<const Constraint> constraint;
  bool always = true;  // from the start and after each update
};

/// What was chosen for a parameter, as `plan --params` shows it.
struct ParamChoice {
  const ParamInfo* info;
  std::string parametrization;                // name
  std::vector<std::string> constraints;       // names
  std::vector<ChosenConstraint> chosen;       // in their order
  std::string parametrization_text;           // with its settings
  std::vector<std::string> constraint_texts;  // with theirs
  std::vector<std::string> penalty_texts;     // likewise
  std::string init;
};

class ParameterStore {
 public:
  ParameterStore();
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  // -- declare (through ParamScope). Throws std::logic_error on a second parameter of one name or after layout.
  Param declare(ParamInfo info);
  std::vector<Param> declare_joined(std::vector<ParamInfo> infos);
  Buffer declare_buffer(const std::string& name, const BufferSpec& spec);
  LossTerm declare_loss(const std::string& name);
  /// Names of the losses that layers add, in the order of declaration.
  const std::vector<std::string>& losses() const;
  WeightLeaf leaf_of(const Param& param) const;
  /// All leaves in declaration order. Their `grad()` are what micro-batches add to and ranks reduce.
  std::vector<WeightLeaf> leaves() const;

  // -- layout. Throws ConfigError if a selector or a constraint matches nothing, or if a constraint meets a
  //    parametrization that cannot `assign`.
  void layout(const WeightsConfig& config, int num_sublayers, const StoreOptions& options);
  bool laid_out() const;
  /// A parameter as part of its leaf.
  struct LeafPart {
    std::int64_t begin = 0, numel = 0;              // elements of the leaf
    std::size_t first_master = 0, num_masters = 0;  // in `masters()`
    bool is_plain = true;                           // its one master has its shape
  };
  /// By leaf, in the order of `leaves()`.
  std::vector<std::vector<LeafPart>> leaf_parts() const;
  std::int64_t num_parameters() const;
  std::vector<const ParamInfo*> parameters() const;
  std::vector<ParamChoice> choices() const;
  /// Names of the penalties in `weights.penalties`, each once, in their order.
  const std::vector<std::string>& penalties() const;
  /// All of the model. After `allocate` with a value where this process stores the whole.
  const std::vector<Master>& masters() const;
  /// What this process stores and updates, in the order of `masters()`: those themselves unless `own` says otherwise.
  const std::vector<Master>& owned() const;
  /// Bytes of each flat buffer of this process, known before `allocate`.
  struct Memory {
    std::int64_t masters = 0, gradients = 0, weights = 0;
  };
  Memory memory() const;
  const StoreOptions& options() const;
  /// `weights.scaling` for this model.
  const Scaling& scaling() const;
  /// What durations of the constraints mean; those in steps need no telling.
  void schedule_constraints(const DurationContext& durations);

  // -- own. By rising master, one range of each at most; a parameter whose parametrization is not plain is owned as a
  //    whole or not at all. One process of the world owns the buffers.
  void own(const std::vector<OwnedRange>& ranges, bool owns_buffers);
  bool owns_all() const;

  // -- allocate
  void allocate();
  bool allocated() const;
  /// [n] master dtype. Gradients lie at the offsets of `masters()`, masters too where all is owned, else those that are
  /// stored without the gaps. Padding stays 0.
  const at::Tensor& flat_masters() const;
  const at::Tensor& flat_grads() const;
  /// [k] master dtype: the gradients of materialised weights.
  const at::Tensor& flat_weight_grads() const;
  /// [m] master dtype: the accumulators of all buffers, reduced over ranks like gradients.
  const at::Tensor& flat_accumulators() const;
  std::int64_t accumulator_numel() const;
  /// Start values from (seed, parameter name), drawn on the CPU; then constraints, then `materialise`.
  void initialise(std::uint64_t seed);

  // -- the step
  void zero_grads();
  /// Runs `forward`, a forward pass over a batch in evaluation, in which every linear whose parametrization waits for a
  /// batch is fitted to its outputs (WeightLeaf::fit), those before it having been. The same on all ranks;
  /// `materialise` and what ranks exchange follow.
  void fit_outputs(const std::function<void()>& forward);
  /// Whether a parametrization waits for it.
  bool fits_outputs() const;
  /// Adds `scale` times the gradients of the penalties to those of the effective weights, which `pull_back` maps to
  /// masters. Returns the penalties' values, fp64 [penalties()], of the parameters that this process owns.
  at::Tensor penalise(double scale);
  /// Maps gradients of compute weights to gradients of masters. Once per step, after the reduction over ranks.
  void pull_back();
  /// Whether a constraint of the parameter acts on its updates (Constraint::changes_updates).
  bool changes_updates(const Master& master) const;
  /// Lets such constraints act that came into force before this update: on the gradient of what is owned of a master,
  /// and on the direction of its update.
  void change_gradient(const Master& part, const ConstraintStep& step) const;
  void change_direction(const Master& part, at::Tensor& direction, const ConstraintStep& step) const;
  /// Puts every weight whose constraints are due at this update back on their sets.
  void constrain(const ConstraintStep& step);
  /// The same before the first update of a run that begins at `update`, for constraints that are in force then: their
  /// states begin with the weights as they are, but for states of names in `kept`. States of penalties begin likewise.
  void begin_constraints(std::int64_t update = 0, const std::set<std::string>& kept = {});
  /// Moves the state of parametrizations and penalties.
  void advance();
  /// Compute weights from masters.
  void materialise();
  /// Swaps the masters' values with those of `flat` (laid out as `flat_masters`, such as running averages) and
  /// materialises. A second call with the same tensor restores both.
  void exchange_masters(const at::Tensor& flat);
  /// value <- update(value, accumulator, number) for every buffer, accumulators to zero.
  void apply_buffers(std::int64_t number);

  /// Everything that a checkpoint's model files hold: masters, states of constraints and penalties, and buffers, as far
  /// as this process owns them. Views.
  StateTensors state() const;
  /// Of these, the states of constraints and penalties.
  StateTensors constraint_state() const;
  /// The values of all buffers, on every process.
  std::vector<at::Tensor> buffers() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
