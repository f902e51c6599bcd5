#pragma once
// Whether a run can have the memory that it needs, before it takes any.

#include <cstdint>

namespace ingot {

struct Experiment;

/// Bytes that this process holds already of those that a plan counts: on a CPU all that is resident.
std::int64_t held_memory(const Experiment& experiment);

/// Throws OutOfMemoryError that names the limit if the model and its optimizer cannot fit; warns if the micro-batch may not.
/// Says nothing where no costs are known.
void check_memory(const Experiment& experiment);

}  // namespace ingot
