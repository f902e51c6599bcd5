#pragma once
// Who started this process, and which of how many it is: torchrun, srun, mpirun (Open MPI, MPICH and its kin) or
// `ingot train --nproc`, which sets torchrun's variables.

#include <functional>
#include <optional>
#include <string>

namespace ingot {

enum class Launcher { kNone, kNproc, kTorchrun, kSlurm, kOpenMpi, kMpich };
const char* launcher_name(Launcher launcher);

struct LaunchPlace {
  Launcher launcher = Launcher::kNone;
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  /// Where the ranks meet: a TCP store, which rank 0 hosts unless the launcher's agent does.
  std::string store_host;
  int store_port = 0;
  bool agent_hosts_store = false;
  /// A listening socket that rank 0 inherits, so that nobody else can take the port; -1: none.
  int store_fd = -1;
  /// What only the ranks of this job know: the launcher's INGOT_SECRET; "" where it did not give any.
  std::string secret;
  /// What to say of the secret when ranks do not come; "" if there is nothing to say.
  std::string secret_hint;
  /// Whether the launcher starts every rank anew when one exits with anything but 0.
  bool restarts_on_failure = false;

  bool distributed() const { return world_size > 1; }
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// The process's own. An empty variable counts as unset.
Environment process_environment();

/// torchrun's variables win, then those of mpirun, then those of srun: mpirun inside a Slurm job inherits the latter.
/// Throws DistributedError for a launch that contradicts itself, or whose rendezvous cannot be told.
LaunchPlace detect_launch(const Environment& environment);

/// What CUDA_VISIBLE_DEVICES has to be, before CUDA is asked anything, so that this rank sees one GPU, its own; none if
/// it may stay as it is: `visible` (absent: unset, every GPU). Throws DistributedError where it lists fewer GPUs than
/// the machine has ranks; a list of one is left alone, as a launcher sets it for each rank.
std::optional<std::string> own_gpu(const LaunchPlace& place, const std::optional<std::string>& visible);

/// Characters of the job's secret (kSecretVariable), at least.
inline constexpr std::size_t kLeastSecret = 16;

/// Variables by which `--nproc` tells a child its place, beside torchrun's.
inline constexpr const char* kNprocVariable = "INGOT_NPROC";
inline constexpr const char* kStoreFdVariable = "INGOT_STORE_FD";

}  // namespace ingot
