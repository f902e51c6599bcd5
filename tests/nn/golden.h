#pragma once
// Golden files of tests/golden against modules of nn.

#include <functional>
#include <string>

#include "nn/harness.h"
#include "support/golden.h"

namespace ingot::testing {

/// Tensors of a golden file, or of one case in it: in/…, param/…, out/…, dout/…, grad/….
using GoldenCase = std::map<std::string, at::Tensor>;
GoldenCase golden_case(const Golden& golden, const std::string& prefix = "");

/// Copies param/NAME into the harness's parameter "m.NAME"; both sides must have the same names.
void load_params(Harness& harness, const GoldenCase& golden);

/// y = f(in/x) in fp64 against out/y, and the gradients of sum(y · dout/y) in x and in every parameter against
/// grad/NAME.
void expect_golden(const GoldenCase& golden, Harness& harness, const std::function<at::Tensor(const at::Tensor& x)>& f);

/// The case of `activations` against what the config text describes: y and dx.
void expect_activation(const std::string& text, const std::string& golden_case_name);

/// The case of `gated_ffns` against what the config text describes, of width 4.
void expect_gated_ffn(const std::string& text, const std::string& golden_case_name);

}  // namespace ingot::testing
