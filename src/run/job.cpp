#include "run/job.h"

#include <cstdlib>

#include "base/text.h"

namespace ingot {

using json = nlohmann::ordered_json;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string job_id() {
  // Grid Engine's JOB_ID is a name that others use too, so it counts only beside SGE's own.
  for (const char* name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"}) {
    const std::string value = variable(name);
    if (!value.empty()) return cat(name, "=", value);
  }
  if (!variable("SGE_ROOT").empty() && !variable("JOB_ID").empty()) return "JOB_ID=" + variable("JOB_ID");
  return "";
}

json scheduler_ids() {
  json out = json::object();
  for (const char* name :
       {"SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_JOB_NODELIST", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID",
        "SLURM_RESTART_COUNT", "SLURM_PROCID", "PBS_JOBID", "PBS_JOBNAME", "LSB_JOBID", "LSB_JOBNAME", "JOB_ID",
        "SGE_TASK_ID", "KUBERNETES_SERVICE_HOST", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"}) {
    const std::string value = variable(name);
    if (!value.empty()) out[name] = value;
  }
  return out;
}

}  // namespace ingot
