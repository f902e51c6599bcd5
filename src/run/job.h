#pragma once
// The batch job that a process belongs to.

#include <nlohmann/json.hpp>
#include <string>

namespace ingot {

/// Ids of the job manager (Slurm, PBS, LSF, Grid Engine, Kubernetes) and of torchrun that are set.
nlohmann::ordered_json scheduler_ids();
/// The batch job that this process belongs to, equal after it was put back into the queue; "" outside of one.
std::string job_id();

}  // namespace ingot
