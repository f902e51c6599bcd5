// What every parametrization, constraint, init and scaling must do, over the registry and all samples of settings.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "params/sample_infos.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

std::vector<at::Tensor> empty_masters(const Parametrization& p, const ParamInfo& info) {
  std::vector<at::Tensor> out;
  for (const auto& spec : p.masters(info)) out.push_back(at::zeros(spec.shape, at::kDouble));
  return out;
}

at::Tensor effective(const Parametrization& p, const std::vector<at::Tensor>& masters, const ParamInfo& info,
                     at::ScalarType dtype = at::kDouble) {
  at::Tensor weight = at::empty(info.shape, dtype);
  p.materialise(masters, weight);
  return weight;
}

class Parametrizations : public ::testing::TestWithParam<VariantCase<ParametrizationEntry>> {
 protected:
  /// Calls f(parametrization, info, masters of a random weight) for every parameter that it is defined for.
  template <class F>
  void for_each(F f) {
    const auto& variant = GetParam().variant;
    const auto p = variant.entry().make(variant.settings());
    int count = 0;
    for (const auto& info : sample_infos()) {
      if (!p->applies(info)) continue;
      SCOPED_TRACE(sample_name(info));
      auto masters = empty_masters(*p, info);
      p->assign(random_normal(info.shape, 1), masters);
      f(*p, info, masters);
      ++count;
    }
    EXPECT_GT(count, 0);
  }
};

TEST_P(Parametrizations, AssignThenMaterialiseGivesTheWeight) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    if (!p.can_assign()) return;
    const at::Tensor weight = random_normal(info.shape, 2);
    p.assign(weight, masters);
    EXPECT_TRUE(close(effective(p, masters, info), weight, Tolerance::of(at::kDouble).reduction(info.numel())));
  });
}

TEST_P(Parametrizations, MaterialiseIsPureAndRoundsOnce) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    std::vector<at::Tensor> before;
    for (const auto& m : masters) before.push_back(m.clone());
    const at::Tensor weight = effective(p, masters, info);
    EXPECT_TRUE(same_bits(effective(p, masters, info, at::kBFloat16), weight.to(at::kBFloat16)));
    for (std::size_t i = 0; i < masters.size(); ++i) EXPECT_TRUE(same_bits(masters[i], before[i]));
  });
}

/// Garbage in: pull_back overwrites.
std::vector<at::Tensor> pulled_back(const Parametrization& p, const std::vector<at::Tensor>& masters,
                                    const ParamInfo& info, const at::Tensor& g) {
  const auto specs = p.masters(info);
  std::vector<at::Tensor> grads;
  for (std::size_t i = 0; i < masters.size(); ++i) {
    grads.push_back(specs[i].trained ? at::full(masters[i].sizes(), 7.0, at::kDouble) : at::Tensor());
  }
  p.pull_back(masters, g, grads);
  return grads;
}

TEST_P(Parametrizations, PullBackIsTheAdjointOfMaterialise) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    const auto specs = p.masters(info);
    for (auto& m : masters) m.add_(random_normal(m.sizes(), 3), 0.1);  // not only where `assign` leads
    const at::Tensor g = random_normal(info.shape, 4);
    const auto grads = pulled_back(p, masters, info, g);
    for (std::size_t i = 0; i < masters.size(); ++i) {
      if (!specs[i].trained) continue;
      EXPECT_TRUE(grads[i].isfinite().all().item<bool>()) << specs[i].suffix;
    }
    if (!p.has_exact_gradient()) return;
    for (std::size_t i = 0; i < masters.size(); ++i) {
      if (!specs[i].trained) continue;
      const at::Tensor direction = random_normal(masters[i].sizes(), 5), kept = masters[i].clone();
      const double h = 1e-6;
      masters[i].copy_(kept.add(direction, h));
      const at::Tensor above = effective(p, masters, info);
      masters[i].copy_(kept.sub(direction, h));
      const at::Tensor below = effective(p, masters, info);
      masters[i].copy_(kept);
      const double numeric = ((above - below) * g).sum().item<double>() / (2 * h);
      const double analytic = (grads[i] * direction).sum().item<double>();
      EXPECT_NEAR(numeric, analytic, 1e-7 * (std::abs(analytic) + grads[i].norm().item<double>())) << specs[i].suffix;
    }
  });
}

/// Multiples of what is said to be free of scale give the same weight, and the gradient leaves the scale alone; the
/// scale of all else matters. Far from 0, so that no eps counts.
TEST_P(Parametrizations, TheScaleMattersWhereItIsSaidTo) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    const auto specs = p.masters(info);
    for (auto& m : masters) m.add_(random_normal(m.sizes(), 3), 0.1);
    const auto tolerance = Tolerance::of(at::kDouble).reduction(info.numel()).chain(4);
    for (std::size_t i = 0; i < masters.size(); ++i) {
      if (!specs[i].trained) continue;
      SCOPED_TRACE(specs[i].suffix);
      if (!specs[i].scale_free) {
        const at::Tensor before = effective(p, masters, info), kept = masters[i].clone();
        masters[i].mul_(1e-3);
        EXPECT_FALSE(close(effective(p, masters, info), before, tolerance));
        masters[i].copy_(kept);
        continue;
      }
      masters[i].mul_(1e12);
      const at::Tensor before = effective(p, masters, info);
      const at::Tensor grad = pulled_back(p, masters, info, random_normal(info.shape, 4))[i];
      const double along = (grad * masters[i]).sum().abs().item<double>();
      if (p.has_exact_gradient()) {
        EXPECT_LE(along, 1e-13 * grad.norm().item<double>() * masters[i].norm().item<double>());
      }
      masters[i].mul_(10);
      EXPECT_TRUE(close(effective(p, masters, info), before, tolerance));
    }
  });
}

TEST_P(Parametrizations, FitDividesEachOutputByItsDeviation) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    if (!p.fits_outputs()) return;
    const at::Tensor before = effective(p, masters, info), std = random_normal({info.shape[0]}, 6).abs() + 0.1;
    p.fit_outputs(std, masters);
    EXPECT_TRUE(close(effective(p, masters, info), before / std.unsqueeze(1), Tolerance::of(at::kDouble)));
  });
}

TEST_P(Parametrizations, ZerosStayFinite) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>& masters) {
    p.assign(at::zeros(info.shape, at::kDouble), masters);
    p.advance(masters);
    EXPECT_TRUE(effective(p, masters, info).equal(at::zeros(info.shape, at::kDouble)));
    for (const at::Tensor& grad : pulled_back(p, masters, info, random_normal(info.shape, 4))) {
      if (!grad.defined()) continue;
      EXPECT_TRUE(grad.isfinite().all().item<bool>());
    }
  });
}

TEST_P(Parametrizations, TrainedMastersHaveDistinctNamesAndAPlaceForDecay) {
  for_each([](const Parametrization& p, const ParamInfo& info, std::vector<at::Tensor>&) {
    std::map<std::string, int> names;
    int decaying = 0;
    for (const auto& spec : p.masters(info)) {
      EXPECT_EQ(names[spec.suffix]++, 0);
      decaying += spec.trained && spec.decays ? 1 : 0;
    }
    EXPECT_GT(decaying, 0);
    EXPECT_EQ(p.is_identity(), names.size() == 1 && names.count("") == 1);
  });
}

/// A constraint on one parameter, which came into force with another weight than those that it then sees.
class OnParameter {
 public:
  OnParameter(const Constraint& constraint, const ParamInfo& info, at::ScalarType dtype = at::kDouble)
      : constraint_(constraint), info_(info), states_(make_states(constraint, info, dtype)) {
    constraint.begin(random_normal(info.shape, 21, dtype) * 2, {info, 0, 10, 0, states_});
  }
  void apply(at::Tensor& weight) { constraint_.apply(weight, {info_, 1, 10, 0.1, states_}); }
  bool changes_updates() const { return constraint_.changes_updates(); }
  /// What becomes of a gradient or a direction.
  at::Tensor changed_gradient(const at::Tensor& gradient, const at::Tensor& weight) {
    at::Tensor out = gradient.clone();
    constraint_.change_gradient(out, weight, {info_, 1, 10, 0.1, states_});
    return out;
  }
  at::Tensor changed_direction(const at::Tensor& direction, const at::Tensor& weight) {
    at::Tensor out = direction.clone();
    constraint_.change_direction(out, weight, {info_, 1, 10, 0.1, states_});
    return out;
  }
  Granularity granularity() const { return constraint_.granularity(info_); }
  OnParameter(const OnParameter& other) : constraint_(other.constraint_), info_(other.info_) {
    for (const auto& state : other.states_) states_.push_back(state.clone());
  }

 private:
  const Constraint& constraint_;
  const ParamInfo& info_;
  std::vector<at::Tensor> states_;
};

class Constraints : public ::testing::TestWithParam<VariantCase<ConstraintEntry>> {
 protected:
  template <class F>
  void for_each(F f) {
    const auto& variant = GetParam().variant;
    const auto constraint = variant.entry().make(variant.settings());
    int count = 0;
    for (const auto& info : sample_infos()) {
      if (!constraint->applies(info)) continue;
      SCOPED_TRACE(sample_name(info));
      OnParameter on_parameter(*constraint, info);
      f(on_parameter, info, random_normal(info.shape, 1));
      ++count;
    }
    EXPECT_GT(count, 0);
  }
};

TEST_P(Constraints, AreIdempotent) {
  for_each([](OnParameter& c, const ParamInfo& info, at::Tensor weight) {
    c.apply(weight);
    at::Tensor again = weight.clone();
    c.apply(again);
    EXPECT_TRUE(close(again, weight, Tolerance::of(at::kDouble).reduction(info.numel())));
  });
}

TEST_P(Constraints, ChangeAnArbitraryWeightAndKeepItFinite) {
  for_each([](OnParameter& c, const ParamInfo& /*info*/, at::Tensor weight) {
    const at::Tensor before = weight.clone();
    c.apply(weight);
    EXPECT_TRUE(c.changes_updates() || !weight.equal(before));
    at::Tensor zero = at::zeros_like(weight);
    c.apply(zero);
    EXPECT_TRUE(zero.isfinite().all().item<bool>());
  });
}

TEST_P(Constraints, ChangeUpdatesAndKeepThemFinite) {
  for_each([](OnParameter& c, const ParamInfo& info, at::Tensor weight) {
    const at::Tensor small = random_normal(info.shape, 2) * 1e-3, zero = at::zeros_like(weight);
    c.apply(weight);
    if (!c.changes_updates()) {
      EXPECT_TRUE(c.changed_direction(small, weight).equal(small));
      return;
    }
    EXPECT_FALSE(c.changed_direction(small, weight).equal(small));
    for (const auto& [direction, of] : {std::pair{zero, weight}, std::pair{small, zero}, std::pair{zero, zero}}) {
      EXPECT_TRUE(c.changed_gradient(direction, of).isfinite().all().item<bool>());
      EXPECT_TRUE(c.changed_direction(direction, of).isfinite().all().item<bool>());
    }
  });
}

/// What a step then leaves obeys the constraint, in single precision as well.
TEST_P(Constraints, HoldAfterAnUpdateInSinglePrecision) {
  const auto& variant = GetParam().variant;
  const auto constraint = variant.entry().make(variant.settings());
  for (const auto& info : sample_infos()) {
    if (!constraint->applies(info)) continue;
    SCOPED_TRACE(sample_name(info));
    OnParameter c(*constraint, info, at::kFloat);
    at::Tensor weight = random_normal(info.shape, 1, at::kFloat);
    c.apply(weight);
    for (std::uint64_t t = 2; t < 5; ++t) {
      weight.sub_(c.changed_direction(random_normal(info.shape, t, at::kFloat), weight), 0.1);
      c.apply(weight);
    }
    at::Tensor again = weight.clone();
    c.apply(again);
    EXPECT_TRUE(close(again, weight, Tolerance::of(at::kFloat).reduction(info.numel())));
  }
}

TEST_P(Constraints, LookNoFurtherThanTheirGranularity) {
  for_each([](OnParameter& c, const ParamInfo& info, at::Tensor weight) {
    const Granularity granularity = c.granularity();
    if (granularity == Granularity::kMatrix || weight.dim() != 2) return;
    const at::Tensor before = weight.clone();
    c.apply(weight);
    // The rest of the matrix may change arbitrarily without an effect on the first unit.
    at::Tensor other = random_normal(info.shape, 9) * 3;
    const int axis = granularity == Granularity::kColumn ? 1 : 0;
    other.select(axis, 0).copy_(before.select(axis, 0));
    c.apply(other);
    EXPECT_TRUE(close(other.select(axis, 0), weight.select(axis, 0), Tolerance::of(at::kDouble)));
    OnParameter fresh(c);  // directions may move states
    at::Tensor direction = random_normal(info.shape, 4), another = random_normal(info.shape, 5);
    another.select(axis, 0).copy_(direction.select(axis, 0));
    EXPECT_TRUE(close(fresh.changed_direction(another, other).select(axis, 0),
                      c.changed_direction(direction, weight).select(axis, 0), Tolerance::of(at::kDouble)));
    EXPECT_TRUE(close(c.changed_gradient(another, other).select(axis, 0),
                      c.changed_gradient(direction, weight).select(axis, 0), Tolerance::of(at::kDouble)));
  });
}

class Inits : public ::testing::TestWithParam<VariantCase<InitEntry>> {};

TEST_P(Inits, FillEveryElementFromTheStreamAlone) {
  const auto& variant = GetParam().variant;
  const auto init = variant.entry().make(variant.settings(), InitContext{4});
  for (const auto& info : sample_infos()) {
    SCOPED_TRACE(sample_name(info));
    const auto fill = [&](std::uint64_t seed, at::ScalarType dtype) {
      at::Tensor weight = at::full(info.shape, std::nan(""), dtype);
      RandomStream random(seed, info.name);
      init->fill(weight, info, random);
      return weight;
    };
    const at::Tensor weight = fill(1, at::kDouble);
    EXPECT_TRUE(weight.isfinite().all().item<bool>());
    EXPECT_TRUE(same_bits(fill(1, at::kDouble), weight));
    EXPECT_TRUE(same_bits(fill(1, at::kFloat), weight.to(at::kFloat)));
    EXPECT_FALSE(init->text(info).empty());
  }
}

class Scalings : public ::testing::TestWithParam<VariantCase<ScalingEntry>> {};

TEST_P(Scalings, FactorsArePositiveAndDependOnWhatTheyAreGivenAlone) {
  const auto& variant = GetParam().variant;
  const auto make = [&] { return variant.entry().make(variant.settings(), ScalingContext{8, 4}); };
  const auto scaling = make(), again = make();
  const auto check = [](double factor, double same) {
    EXPECT_GT(factor, 0);
    EXPECT_TRUE(std::isfinite(factor));
    EXPECT_EQ(factor, same);
  };
  check(scaling->logits(), again->logits());
  for (const auto& info : sample_infos()) {
    SCOPED_TRACE(sample_name(info));
    check(scaling->init(info), again->init(info));
    check(scaling->forward(info), again->forward(info));
    for (const auto size :
         {UpdateSize::kGradient, UpdateSize::kNormalised, UpdateSize::kSpectral, UpdateSize::kOrthogonal}) {
      check(scaling->lr(info, size), again->lr(info, size));
      const double decay = scaling->weight_decay(info, size);
      if (decay != 0) check(decay, again->weight_decay(info, size));  // a rule may leave decay to some
    }
  }
}

template <class E>
std::string label_of(const ::testing::TestParamInfo<VariantCase<E>>& info) {
  return info.param.label;
}

INSTANTIATE_TEST_SUITE_P(Conformance, Parametrizations, ::testing::ValuesIn(variant_cases<ParametrizationEntry>()),
                         label_of<ParametrizationEntry>);
INSTANTIATE_TEST_SUITE_P(Conformance, Constraints, ::testing::ValuesIn(variant_cases<ConstraintEntry>()),
                         label_of<ConstraintEntry>);
INSTANTIATE_TEST_SUITE_P(Conformance, Inits, ::testing::ValuesIn(variant_cases<InitEntry>()), label_of<InitEntry>);
INSTANTIATE_TEST_SUITE_P(Conformance, Scalings, ::testing::ValuesIn(variant_cases<ScalingEntry>()),
                         label_of<ScalingEntry>);

}  // namespace
}  // namespace ingot::testing
