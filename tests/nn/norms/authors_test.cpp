// Norms against the code that their authors released (tools/golden/authors_norms.py says which).

#include <gtest/gtest.h>

#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

struct Case {
  const char* name;  // in tests/golden/authors_norms.safetensors
  const char* yaml;
};

std::string name_of(const ::testing::TestParamInfo<Case>& test) { return test.param.name; }

class AuthorsNorms : public ::testing::TestWithParam<Case> {};

TEST_P(AuthorsNorms, OutputAndGradientsAgree) { expect_norm_golden(GetParam().yaml, GetParam().name, "authors_norms"); }

INSTANTIATE_TEST_SUITE_P(
    Cases, AuthorsNorms,
    ::testing::Values(Case{"rms_norm_outside", "{type: rms_norm, eps_mode: outside, eps: 1e-8}"},
                      Case{"rms_norm_outside_bias", "{type: rms_norm, eps_mode: outside, eps: 1e-8, bias: true}"},
                      Case{"rms_norm_outside_large", "{type: rms_norm, eps_mode: outside, eps: 0.1}"},
                      Case{"rms_norm_zero_centred", "{type: rms_norm, zero_centred: true}"},
                      Case{"partial_rms_norm", "{type: partial_rms_norm, fraction: 0.25}"},
                      Case{"simple_rms_norm", "simple_rms_norm"}, Case{"crms_norm", "crms_norm"},
                      Case{"scale_norm", "scale_norm"}, Case{"scale_norm_floor", "{type: scale_norm, eps: 2}"},
                      Case{"dyt", "dyt"}, Case{"dyt_bias", "{type: dyt, bias: true}"}, Case{"derf", "derf"},
                      Case{"ada_rms_norm", "ada_rms_norm"}, Case{"bhyt", "bhyt"}),
    name_of);

class AuthorsRunningNorms : public ::testing::TestWithParam<Case> {};

TEST_P(AuthorsRunningNorms, EveryStepAgrees) {
  expect_running_golden(GetParam().yaml, GetParam().name, "authors_norms");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AuthorsRunningNorms,
    ::testing::Values(Case{"power_norm", "{type: power_norm, allow_leak: true, groups: 2, warmup: 3}"},
                      Case{"power_norm_ungrouped", "{type: power_norm, allow_leak: true, groups: 1, warmup: 2}"},
                      Case{"unified_norm", "{type: unified_norm, allow_leak: true, window: 3, warmup: 1003}"},
                      Case{"online_norm",
                           "{type: online_norm, allow_leak: true, forward_decay: 0.9, backward_decay: 0.8}"}),
    name_of);

}  // namespace
}  // namespace ingot::testing
