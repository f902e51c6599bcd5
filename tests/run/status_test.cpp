#include "run/status.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmath>

#include "base/host.h"
#include "run/attempt.h"
#include "run/job.h"
#include "run/lock.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

nlohmann::json parse(const fs::path& file) { return nlohmann::json::parse(read_file(file)); }

/// An environment variable for the time of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = ::getenv(name)) before_ = before;
    ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(RunStatus, RoundTrips) {
  const TempDir run;
  EXPECT_FALSE(read_status(run.path()));
  RunStatus status;
  status.step = 12;
  status.details = {{"total_steps", 100}, {"loss", std::nan("")}};
  write_status(run.path(), status);
  auto read = read_status(run.path());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->state, RunState::kRunning);
  EXPECT_FALSE(read->exit_code);
  EXPECT_EQ(read->step, 12);
  EXPECT_EQ(read->details.at("total_steps"), 100);
  EXPECT_FALSE(read->details.contains("loss"));
  const auto document = parse(run / "status.json");
  EXPECT_EQ(document.at("state"), "running");
  EXPECT_TRUE(document.at("exit_code").is_null());
  EXPECT_EQ(document.at("pid"), ::getpid());
  EXPECT_EQ(document.at("host"), host_name());

  write_status(run.path(), final_status(ExitCode::kDiverged, 13, "loss is \xff not finite"));
  read = read_status(run.path());
  EXPECT_EQ(read->state, RunState::kDiverged);
  EXPECT_EQ(read->exit_code, 5);
  EXPECT_TRUE(has(read->reason, "not finite"));
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run.path())) names.push_back(entry.path().filename());
  EXPECT_EQ(names, std::vector<std::string>{"status.json"});
}

TEST(RunStatus, EndsFollowFromTheExitCode) {
  const auto check = [](ExitCode code, RunState state, bool retry) {
    const RunStatus status = final_status(code, 1, "why");
    EXPECT_EQ(status.state, state) << static_cast<int>(code);
    EXPECT_EQ(status.retry, retry) << static_cast<int>(code);
    EXPECT_EQ(status.exit_code, static_cast<int>(code));
  };
  check(ExitCode::kDone, RunState::kDone, false);
  check(ExitCode::kStopped, RunState::kStopped, true);
  check(ExitCode::kInterrupted, RunState::kStopped, true);
  check(ExitCode::kDiverged, RunState::kDiverged, false);
  check(ExitCode::kCheckpoint, RunState::kFailed, false);
  check(ExitCode::kDistributed, RunState::kFailed, true);
  check(ExitCode::kOther, RunState::kFailed, false);
}

TEST(RunStatus, AKilledRunDoesNotSeemToRun) {
  const TempDir run;
  write_status(run.path(), {});
  {
    const RunLock lock(run.path());
    EXPECT_EQ(current_status(run.path())->state, RunState::kRunning);
  }
  const auto status = current_status(run.path());
  EXPECT_EQ(status->state, RunState::kFailed);
  EXPECT_TRUE(status->retry);
  EXPECT_NE(status->reason, "");
  write_status(run.path(), final_status(ExitCode::kDone, 5, ""));
  EXPECT_EQ(current_status(run.path())->state, RunState::kDone);
}

TEST(RunStatus, DamageIsNamed) {
  const TempDir run;
  for (const char* text :
       {"", "{", "{}", "[]", R"({"state":"dancing","exit_code":null,"step":1,"reason":"","retry":false})",
        R"({"state":"done","exit_code":0,"step":"1","reason":"","retry":false})",
        R"({"state":"done","exit_code":0,"step":1,"reason":"","retry":false,"total_steps":[]})"}) {
    write_raw(run / "status.json", text);
    EXPECT_TRUE(has(message_of<ConfigError>([&] { read_status(run.path()); }), (run / "status.json").string() + ":",
                    "`ingot train` writes"))
        << text;
  }
}

TEST(RunStatus, AFolderThatCannotBeWrittenEndsNoRun) {
  write_status("/proc/nowhere", {});
  write_status("/proc/nowhere", final_status(ExitCode::kDone, 1, ""));
  EXPECT_THROW(write_summary("/proc/nowhere", {}), Error);
}

TEST(RunStatus, SummaryKeepsItsOrder) {
  const TempDir run;
  write_summary(run.path(), {{"steps", 5}, {"evaluation", {{"loss", 1.5}}}});
  EXPECT_EQ(read_file(run / "summary.json"), "{\n  \"steps\": 5,\n  \"evaluation\": {\n    \"loss\": 1.5\n  }\n}\n");
}

TEST(Attempts, AreNumberedAndHoldTheirCircumstances) {
  const TempDir run;
  const Variable threads("OMP_NUM_THREADS", "3");
  const Variable secret("WANDB_API_KEY", "very-secret");
  const Variable job("SLURM_JOB_ID", "4711");
  AttemptRecord first(run.path(), {"ingot", "train", "a config.yaml"});
  EXPECT_EQ(first.number(), 1);
  auto record = parse(run / "attempts/0001.json");
  EXPECT_EQ(record.at("command").at(2), "a config.yaml");
  EXPECT_EQ(record.at("folder"), fs::current_path().string());
  EXPECT_EQ(record.at("environment").at("OMP_NUM_THREADS"), "3");
  EXPECT_EQ(record.at("scheduler").at("SLURM_JOB_ID"), "4711");
  EXPECT_EQ(read_file(run / "attempts/0001.json").find("very-secret"), std::string::npos);
  for (const char* key : {"ingot", "commit", "dirty", "compiler", "libtorch"}) {
    EXPECT_TRUE(record.at("version").contains(key)) << key;
  }
  for (const char* key : {"host", "cpu", "instruction_set", "cores"}) {
    EXPECT_TRUE(record.at("machine").contains(key)) << key;
  }
  EXPECT_FALSE(record.contains("end"));

  first.add({{"precision", "bf16"}, {"resumed_from", "checkpoints/step-00000100"}});
  first.finish(ExitCode::kStopped, "SIGTERM");
  record = parse(run / "attempts/0001.json");
  EXPECT_EQ(record.at("precision"), "bf16");
  EXPECT_EQ(record.at("exit_code"), 75);
  EXPECT_EQ(record.at("reason"), "SIGTERM");
  EXPECT_GE(record.at("end").get<std::string>(), record.at("start").get<std::string>());

  write_raw(run / "attempts/0004-metrics.jsonl", "");
  EXPECT_EQ(AttemptRecord(run.path(), {}).number(), 5);
  EXPECT_TRUE(fs::exists(run / "attempts/0005.json"));
}

TEST(JobId, IsOneOfABatchJobOnly) {
  const Variable elastic("TORCHELASTIC_RUN_ID", "none");
  for (const char* name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"}) {
    if (::getenv(name) != nullptr) GTEST_SKIP() << "runs inside a batch job";
  }
  EXPECT_EQ(job_id(), "");
  const Variable slurm("SLURM_JOB_ID", "17");
  EXPECT_EQ(job_id(), "SLURM_JOB_ID=17");
}

}  // namespace
}  // namespace ingot
