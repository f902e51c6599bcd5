#pragma once
// Parameters that conformance tests try variants with.

#include <string>
#include <vector>

#include "params/param_info.h"

namespace ingot::testing {

/// One parameter of each kind that models have.
std::vector<ParamInfo> sample_infos();

/// For the trace of a test.
std::string sample_name(const ParamInfo& info);

}  // namespace ingot::testing
