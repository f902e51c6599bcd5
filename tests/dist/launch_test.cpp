#include "dist/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace ingot {
namespace {

using Variables = std::map<std::string, std::string>;

LaunchPlace detect(const Variables& variables) {
  return detect_launch([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

Variables torchrun() {
  return {{"RANK", "5"},
          {"WORLD_SIZE", "8"},
          {"LOCAL_RANK", "1"},
          {"LOCAL_WORLD_SIZE", "4"},
          {"MASTER_ADDR", "node-0"},
          {"MASTER_PORT", "29511"},
          {"TORCHELASTIC_RUN_ID", "abc"},
          {"TORCHELASTIC_RESTART_COUNT", "2"},
          {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
}

TEST(Launch, NoLauncherIsOneProcess) {
  const auto place = detect({});
  EXPECT_EQ(place.launcher, Launcher::kNone);
  EXPECT_EQ(place.world_size, 1);
  EXPECT_FALSE(place.distributed());
}

TEST(Launch, Torchrun) {
  const auto place = detect(torchrun());
  EXPECT_EQ(place.launcher, Launcher::kTorchrun);
  EXPECT_EQ(place.rank, 5);
  EXPECT_EQ(place.world_size, 8);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.local_world_size, 4);
  EXPECT_EQ(place.store_host, "node-0");
  EXPECT_EQ(place.store_port, 29511);
  EXPECT_TRUE(place.agent_hosts_store);
  EXPECT_TRUE(place.restarts_on_failure);
  EXPECT_EQ(place.secret, "");
}

Variables srun() {
  return {{"SLURM_PROCID", "6"},
          {"SLURM_STEP_NUM_TASKS", "7"},
          {"SLURM_LOCALID", "2"},
          {"SLURM_NODEID", "1"},
          {"SLURM_STEP_TASKS_PER_NODE", "4,3"},
          {"SLURM_STEP_NODELIST", "gpu[07-08]"},
          {"SLURM_JOB_ID", "4711"},
          {"SLURM_STEP_ID", "0"}};
}

TEST(Launch, Srun) {
  const auto place = detect(srun());
  EXPECT_EQ(place.launcher, Launcher::kSlurm);
  EXPECT_EQ(place.rank, 6);
  EXPECT_EQ(place.world_size, 7);
  EXPECT_EQ(place.local_rank, 2);
  EXPECT_EQ(place.local_world_size, 3);
  EXPECT_EQ(place.store_host, "gpu07");
  EXPECT_FALSE(place.restarts_on_failure);
  // Every rank derives the same port, and another job another one.
  auto other_rank = srun();
  other_rank["SLURM_PROCID"] = "0";
  other_rank["SLURM_LOCALID"] = "0";
  other_rank["SLURM_NODEID"] = "0";
  EXPECT_EQ(detect(other_rank).store_port, place.store_port);
  auto other_job = srun();
  other_job["SLURM_JOB_ID"] = "4712";
  EXPECT_NE(detect(other_job).store_port, place.store_port);
}

TEST(Launch, AnSbatchScriptIsNoStep) {
  EXPECT_EQ(detect({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "16"}, {"SLURM_JOB_ID", "1"}}).world_size, 1);
}

TEST(Launch, TorchrunInsideSrunWins) {
  auto both = srun();
  both.merge(torchrun());
  EXPECT_EQ(detect(both).launcher, Launcher::kTorchrun);
}

TEST(Launch, MpirunInsideSlurmWinsOverItsVariables) {
  auto both = srun();
  both["OMPI_COMM_WORLD_RANK"] = "1";
  both["OMPI_COMM_WORLD_SIZE"] = "2";
  both["SLURM_JOB_NODELIST"] = "gpu[07-08]";
  const auto place = detect(both);
  EXPECT_EQ(place.launcher, Launcher::kOpenMpi);
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.store_host, "gpu07");
}

TEST(Launch, MpirunOnOneNodeNeedsNoAddress) {
  const auto open_mpi = detect({{"OMPI_COMM_WORLD_RANK", "1"},
                                {"OMPI_COMM_WORLD_SIZE", "2"},
                                {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                {"PMIX_NAMESPACE", "prterun-1"}});
  EXPECT_EQ(open_mpi.store_host, "127.0.0.1");
  const auto mpich = detect({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}});
  EXPECT_EQ(mpich.launcher, Launcher::kMpich);
  EXPECT_EQ(mpich.store_host, "127.0.0.1");
}

TEST(Launch, MpirunOverNodesAsksForTheAddress) {
  Variables variables{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}};
  EXPECT_THROW(detect(variables), DistributedError);
  variables["MASTER_ADDR"] = "head";
  EXPECT_EQ(detect(variables).store_host, "head");
}

TEST(Launch, ContradictionsAreNamed) {
  for (const auto& [name, value] :
       Variables{{"RANK", "8"}, {"RANK", "five"}, {"LOCAL_RANK", "4"}, {"WORLD_SIZE", "0"}}) {
    auto variables = torchrun();
    variables[name] = value;
    EXPECT_THROW(detect(variables), DistributedError) << name << "=" << value;
  }
}

TEST(Launch, EachRankOfAMachineHasAGpuOfItsOwn) {
  const auto place = detect(torchrun());  // local rank 1 of 4
  EXPECT_EQ(own_gpu(place, std::nullopt), "1");
  EXPECT_EQ(own_gpu(place, "4,5,6,7"), "5");
  EXPECT_EQ(own_gpu(place, "GPU-a,GPU-b,GPU-c,GPU-d,GPU-e"), "GPU-b");
  EXPECT_EQ(own_gpu(place, "2"), std::nullopt) << "the launcher gave each rank one";
  EXPECT_EQ(own_gpu(place, ""), std::nullopt) << "GPUs are hidden";
  EXPECT_THROW(own_gpu(place, "0,1,2"), DistributedError);
  EXPECT_EQ(own_gpu(detect({}), std::nullopt), std::nullopt) << "alone, it sees all";
}

}  // namespace
}  // namespace ingot
