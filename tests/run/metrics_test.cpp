#include "run/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <ctime>
#include <limits>

#include "base/log.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;
using Steps = std::vector<std::int64_t>;

fs::path metrics_of(const TempDir& run) { return run / "metrics.jsonl"; }

TrainMetrics train_at(std::int64_t step) {
  TrainMetrics m;
  m.step = step;
  m.tokens = 100 * step;
  m.loss = 2.5;
  m.lr = 1e-3;
  return m;
}

Steps steps_of(const fs::path& file) {
  Steps steps;
  for (const auto& line : read_metrics(file)) steps.push_back(line.at("step"));
  return steps;
}

/// Train lines for the steps first..last.
void write_steps(const TempDir& run, std::int64_t attempt, std::optional<std::int64_t> resumed, std::int64_t last) {
  MetricsWriter writer(run.path(), attempt, resumed);
  for (std::int64_t step = resumed.value_or(0) + 1; step <= last; ++step) writer.train(train_at(step));
}

TEST(Metrics, LinesHoldWhatScriptsRelyOn) {
  const TempDir run;
  const auto before = static_cast<double>(std::time(nullptr));
  {
    MetricsWriter writer(run.path(), 3, std::nullopt);
    TrainMetrics m = train_at(10);
    m.grad_norm = 0.5;
    m.memory_bytes = 1 << 20;
    m.extra = {{"z_loss", 0.25}};
    writer.train(m);
    EvalMetrics e;
    e.step = 10;
    e.tokens = 1000;
    e.name = "validation";
    e.loss = 2;
    e.eval_tokens = 77;
    writer.eval(e);
    writer.event(11, 1100, "skipped_step", {{"loss", nullptr}});
    writer.probe(12, 1200, "norms", {{"layers.0", 1.5}});
  }
  const auto lines = read_metrics(metrics_of(run));
  ASSERT_EQ(lines.size(), 4U);
  const std::vector<std::string> kinds{"train", "eval", "event", "probe"};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].at("kind"), kinds[i]);
    EXPECT_EQ(lines[i].at("attempt"), 3);
    EXPECT_TRUE(lines[i].contains("tokens"));
    EXPECT_GE(lines[i].at("time").get<double>(), before);
    EXPECT_LE(lines[i].at("time").get<double>(), before + 60);
    EXPECT_FALSE(lines[i].contains("nonfinite"));
  }
  for (const char* key :
       {"loss", "lr", "grad_norm", "tokens_per_second", "mfu", "step_seconds", "data_wait", "memory_bytes", "z_loss"}) {
    EXPECT_TRUE(lines[0].contains(key)) << key;
  }
  EXPECT_TRUE(lines[0].at("mfu").is_null());
  EXPECT_EQ(lines[0].at("lr").get<double>(), 1e-3);
  EXPECT_EQ(lines[1].at("name"), "validation");
  EXPECT_TRUE(lines[1].at("bits_per_byte").is_null());
  EXPECT_EQ(lines[1].at("tokens_scored"), 77);
  EXPECT_EQ(lines[2].at("event"), "skipped_step");
  EXPECT_EQ(lines[3].at("layers.0"), 1.5);
  // People read the file too: what a line is comes first.
  EXPECT_EQ(read_file(metrics_of(run)).rfind(R"({"kind":"train","step":10,)", 0), 0U);
}

TEST(Metrics, NonFiniteValuesAreNullAndSaidSo) {
  const TempDir run;
  {
    MetricsWriter writer(run.path(), 1, std::nullopt);
    TrainMetrics m = train_at(1);
    m.loss = std::nan("");
    writer.train(m);
    m = train_at(2);
    m.extra["deep"] = {{"list", {1.0, -std::numeric_limits<double>::infinity()}}};
    writer.train(m);
    writer.train(train_at(3));
  }
  const auto lines = read_metrics(metrics_of(run));
  EXPECT_TRUE(lines[0].at("loss").is_null());
  EXPECT_EQ(lines[0].at("nonfinite"), true);
  EXPECT_TRUE(lines[1].at("deep").at("list").at(1).is_null());
  EXPECT_EQ(lines[1].at("deep").at("list").at(0), 1.0);
  EXPECT_EQ(lines[1].at("nonfinite"), true);
  EXPECT_FALSE(lines[2].contains("nonfinite"));
}

TEST(Metrics, LinesAreThereAtOnce) {
  const TempDir run;
  MetricsWriter writer(run.path(), 1, std::nullopt);
  writer.train(train_at(1));
  EXPECT_EQ(steps_of(metrics_of(run)), Steps{1});
}

TEST(Metrics, TextThatIsNotUtf8DoesNotStopARun) {
  const TempDir run;
  MetricsWriter writer(run.path(), 1, std::nullopt);
  writer.event(1, 1, "sample",
               {{"text",
                 "a\xff"
                 "b"}});
  EXPECT_EQ(read_metrics(metrics_of(run)).size(), 1U);
}

TEST(Metrics, EachStepAppearsOnceAfterAResume) {
  const TempDir run;
  write_steps(run, 1, std::nullopt, 6);
  write_steps(run, 2, 4, 7);
  EXPECT_EQ(steps_of(metrics_of(run)), (Steps{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(steps_of(run / "attempts/0001-metrics.jsonl"), (Steps{5, 6}));
  for (const auto& line : read_metrics(metrics_of(run))) EXPECT_EQ(line.at("attempt"), line.at("step") <= 4 ? 1 : 2);
  // Back beyond both: each attempt's lines go to its own file, once.
  write_steps(run, 3, 3, 5);
  EXPECT_EQ(steps_of(metrics_of(run)), (Steps{1, 2, 3, 4, 5}));
  EXPECT_EQ(steps_of(run / "attempts/0001-metrics.jsonl"), (Steps{5, 6, 4}));
  EXPECT_EQ(steps_of(run / "attempts/0002-metrics.jsonl"), (Steps{5, 6, 7}));
  EXPECT_EQ(steps_of(metrics_of(run)), (Steps{1, 2, 3, 4, 5}));
}

TEST(Metrics, AResumeThatWasKilledCanBeRepeated) {
  const TempDir run;
  write_steps(run, 1, std::nullopt, 6);
  const std::string before = read_file(metrics_of(run));
  write_steps(run, 2, 4, 4);
  write_raw(metrics_of(run), before);  // as if killed between the two files
  write_steps(run, 3, 4, 5);
  EXPECT_EQ(steps_of(metrics_of(run)), (Steps{1, 2, 3, 4, 5}));
  EXPECT_EQ(steps_of(run / "attempts/0001-metrics.jsonl"), (Steps{5, 6}));
}

TEST(Metrics, StartingAfreshMovesEverything) {
  const TempDir run;
  write_steps(run, 1, std::nullopt, 2);
  write_steps(run, 2, std::nullopt, 1);
  EXPECT_EQ(steps_of(metrics_of(run)), Steps{1});
  EXPECT_EQ(steps_of(run / "attempts/0001-metrics.jsonl"), (Steps{1, 2}));
}

TEST(Metrics, ALastLineThatWasCutIsRepairedAtEveryByte) {
  const TempDir run;
  write_steps(run, 1, std::nullopt, 3);
  const std::string whole = read_file(metrics_of(run));
  log::set_terminal_level(log::Level::kWarning);
  const std::size_t second = whole.find('\n', whole.find('\n') + 1) + 1;  // where the third line begins
  for (std::size_t size = second; size <= whole.size(); ++size) {
    write_raw(metrics_of(run), whole.substr(0, size));
    write_steps(run, 2, 3, 4);
    // The line counts if nothing but its end is missing.
    const Steps expected = size + 1 >= whole.size() ? Steps{1, 2, 3, 4} : Steps{1, 2, 4};
    ASSERT_EQ(steps_of(metrics_of(run)), expected) << size;
  }
  log::set_terminal_level(log::Level::kInfo);
  EXPECT_FALSE(fs::exists(run / "attempts"));
}

TEST(Metrics, DamagedLinesAreRemoved) {
  const TempDir run;
  write_steps(run, 1, std::nullopt, 2);
  const std::string good = read_file(metrics_of(run));
  write_raw(metrics_of(run), std::string(100, '\0') + "\n" + good + "7\n[]\n{\"step\":\"1\",\"attempt\":1}\n");
  EXPECT_TRUE(has(message_of<Error>([&] { read_metrics(metrics_of(run)); }), metrics_of(run).string() + ":1"));
  write_steps(run, 2, 2, 3);
  EXPECT_EQ(steps_of(metrics_of(run)), (Steps{1, 2, 3}));
}

TEST(Metrics, ReadingLeavesOutALineThatIsBeingWritten) {
  const TempDir run;
  write_raw(metrics_of(run), "{\"step\":1}\n{\"step\":2");
  EXPECT_EQ(steps_of(metrics_of(run)), Steps{1});
}

}  // namespace
}  // namespace ingot
