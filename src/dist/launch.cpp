#include "dist/launch.h"

#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "base/host.h"
#include "base/text.h"
#include "dist/node_list.h"

namespace ingot {
namespace {

// Ports below the range from which Linux takes those of outgoing connections.
constexpr int kFirstPort = 20000;
constexpr int kPorts = 12000;
constexpr int kTorchrunPort = 29500;

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  bool has(const std::string& name) const { return environment_(name).has_value(); }
  std::string text(const std::string& name) const { return environment_(name).value_or(""); }
  int number(const std::string& name) const {
    const auto value = environment_(name);
    if (!value) throw DistributedError(cat(name, " is not set, expected a number from the launcher"));
    int out = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), out);
    if (error != std::errc{} || end != value->data() + value->size() || out < 0) {
      throw DistributedError(cat(name, ": expected a number, got '", *value, "'"));
    }
    return out;
  }
  int number_or(const std::string& name, int fallback) const { return has(name) ? number(name) : fallback; }

 private:
  const Environment& environment_;
};

/// A port that all ranks of a launch derive alike. FNV-1a: equal on every build.
int port_of(const std::string& launch_id) {
  std::uint32_t hash = 2166136261u;
  for (const unsigned char byte : launch_id) hash = (hash ^ byte) * 16777619u;
  return kFirstPort + static_cast<int>(hash % static_cast<std::uint32_t>(kPorts));
}

void set_store(LaunchPlace& place, const Reader& env, const std::string& host, const std::string& launch_id) {
  place.store_host = env.has("MASTER_ADDR") ? env.text("MASTER_ADDR") : host;
  place.store_port = env.has("MASTER_PORT") ? env.number("MASTER_PORT") : port_of(launch_id);
  if (place.store_port < 1 || place.store_port > 65535) {
    throw DistributedError(cat("MASTER_PORT: expected 1 to 65535, got ", place.store_port));
  }
}

LaunchPlace from_torchrun(const Reader& env) {
  LaunchPlace place;
  const bool nproc = env.has(kNprocVariable);
  const bool elastic = env.has("TORCHELASTIC_RUN_ID");
  place.launcher = nproc ? Launcher::kNproc : Launcher::kTorchrun;
  place.rank = env.number("RANK");
  place.world_size = env.number("WORLD_SIZE");
  place.local_rank = env.number_or("LOCAL_RANK", 0);
  place.local_world_size = env.number_or("LOCAL_WORLD_SIZE", 1);
  // Of an agent that started one process with --nproc, its variables are still there.
  place.agent_hosts_store = !nproc && env.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  place.store_fd = nproc && place.rank == 0 ? env.number_or(kStoreFdVariable, -1) : -1;
  place.restarts_on_failure = elastic;
  if (place.world_size > 1 && !env.has("MASTER_ADDR")) {
    throw DistributedError("RANK and WORLD_SIZE are set but MASTER_ADDR is not: the host of rank 0");
  }
  set_store(place, env, "", "");
  if (!env.has("MASTER_PORT")) place.store_port = kTorchrunPort;
  return place;
}

LaunchPlace from_slurm(const Reader& env) {
  LaunchPlace place;
  place.launcher = Launcher::kSlurm;
  place.rank = env.number("SLURM_PROCID");
  place.world_size = env.number(env.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
  place.local_rank = env.number_or("SLURM_LOCALID", 0);
  const auto tasks =
      env.text(env.has("SLURM_STEP_TASKS_PER_NODE") ? "SLURM_STEP_TASKS_PER_NODE" : "SLURM_TASKS_PER_NODE");
  const auto node = static_cast<std::size_t>(env.number_or("SLURM_NODEID", 0));
  const auto counts = expand_task_counts(tasks);
  if (node < counts.size()) place.local_world_size = counts[node];
  const auto list = env.has("SLURM_STEP_NODELIST") ? env.text("SLURM_STEP_NODELIST") : env.text("SLURM_JOB_NODELIST");
  const auto hosts = expand_node_list(list);
  if (hosts.empty() && !env.has("MASTER_ADDR")) {
    throw DistributedError("SLURM_STEP_NODELIST names no host; set MASTER_ADDR to the host of rank 0");
  }
  set_store(place, env, hosts.empty() ? "" : hosts.front(),
            cat(env.text("SLURM_JOB_ID"), ".", env.text("SLURM_STEP_ID")));
  return place;
}

/// The host of rank 0 under mpirun: one node, Slurm's first, or what the user says.
std::string mpi_host(const LaunchPlace& place, const Reader& env) {
  if (place.local_world_size == place.world_size) return "127.0.0.1";
  if (env.has("SLURM_JOB_NODELIST")) {
    const auto hosts = expand_node_list(env.text("SLURM_JOB_NODELIST"));
    if (!hosts.empty()) return hosts.front();
  }
  if (env.has("MASTER_ADDR")) return "";
  throw DistributedError(
      "mpirun over several nodes does not say where rank 0 runs; set MASTER_ADDR to its host (Open MPI: mpirun -x "
      "MASTER_ADDR=HOST, MPICH: mpiexec -genv MASTER_ADDR HOST)");
}

LaunchPlace from_open_mpi(const Reader& env) {
  LaunchPlace place;
  place.launcher = Launcher::kOpenMpi;
  place.rank = env.number("OMPI_COMM_WORLD_RANK");
  place.world_size = env.number("OMPI_COMM_WORLD_SIZE");
  place.local_rank = env.number_or("OMPI_COMM_WORLD_LOCAL_RANK", 0);
  place.local_world_size = env.number_or("OMPI_COMM_WORLD_LOCAL_SIZE", 1);
  const auto id = env.has("PMIX_NAMESPACE") ? env.text("PMIX_NAMESPACE") : env.text("OMPI_MCA_ess_base_jobid");
  set_store(place, env, mpi_host(place, env), id);
  return place;
}

LaunchPlace from_mpich(const Reader& env) {
  LaunchPlace place;
  place.launcher = Launcher::kMpich;
  place.rank = env.number("PMI_RANK");
  place.world_size = env.number("PMI_SIZE");
  place.local_rank = env.number_or("MPI_LOCALRANKID", 0);
  place.local_world_size = env.number_or("MPI_LOCALNRANKS", place.world_size);
  // Ranks of one node are children of one proxy; no variable names the launch.
  set_store(place, env, mpi_host(place, env), cat("parent ", ::getppid()));
  return place;
}

void check(const LaunchPlace& place) {
  const auto wrong = [&](const std::string& what) {
    throw DistributedError(cat("the launcher (", launcher_name(place.launcher), ") contradicts itself: ", what));
  };
  if (place.world_size < 1) wrong(cat("a world of ", place.world_size, " ranks"));
  if (place.rank >= place.world_size) wrong(cat("rank ", place.rank, " of ", place.world_size));
  if (place.local_world_size < 1 || place.local_world_size > place.world_size) {
    wrong(cat(place.local_world_size, " ranks on this node of ", place.world_size, " in all"));
  }
  if (place.local_rank >= place.local_world_size) {
    wrong(cat("local rank ", place.local_rank, " of ", place.local_world_size, " on this node"));
  }
}

}  // namespace

const char* launcher_name(Launcher launcher) {
  switch (launcher) {
    case Launcher::kNone:
      return "none";
    case Launcher::kNproc:
      return "--nproc";
    case Launcher::kTorchrun:
      return "torchrun";
    case Launcher::kSlurm:
      return "srun";
    case Launcher::kOpenMpi:
      return "mpirun";
    case Launcher::kMpich:
      return "mpiexec";
  }
  return "none";
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

LaunchPlace detect_launch(const Environment& environment) {
  const Reader env(environment);
  LaunchPlace place;
  // Inside an sbatch script or salloc's shell Slurm sets its variables too, but no step has been launched.
  const bool in_step = env.has("SLURM_PROCID") && (env.has("SLURM_STEP_NUM_TASKS") || env.has("SLURM_STEP_ID"));
  if (env.has("WORLD_SIZE") && env.has("RANK")) {
    place = from_torchrun(env);
  } else if (env.has("OMPI_COMM_WORLD_SIZE")) {
    place = from_open_mpi(env);
  } else if (env.has("PMI_SIZE") && !in_step) {
    place = from_mpich(env);
  } else if (in_step) {
    place = from_slurm(env);
  }
  check(place);
  place.secret = env.text(kSecretVariable);
  if (place.distributed() && !place.secret.empty() && place.secret.size() < kLeastSecret) {
    throw DistributedError(cat(kSecretVariable, ": expected at least ", kLeastSecret,
                               " characters that nobody can guess, such as those of `openssl rand -hex 32`"));
  }
  return place;
}

std::optional<std::string> own_gpu(const LaunchPlace& place, const std::optional<std::string>& visible) {
  if (place.local_world_size <= 1) return std::nullopt;
  if (!visible) return std::to_string(place.local_rank);
  const auto gpus = split(*visible, ',');
  if (gpus.size() == 1) return std::nullopt;
  if (gpus.size() < static_cast<std::size_t>(place.local_world_size)) {
    throw DistributedError(cat("CUDA_VISIBLE_DEVICES=", *visible, " lists ", gpus.size(), " GPUs for ",
                               place.local_world_size, " ranks on this machine, expected one for each"));
  }
  return gpus[static_cast<std::size_t>(place.local_rank)];
}

}  // namespace ingot
