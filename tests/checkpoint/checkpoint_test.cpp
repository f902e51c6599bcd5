#include "checkpoint/checkpoint.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "checkpoint/manifest.h"
#include "checkpoint/sample_state.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::holds_sample;
using testing::message_of;
using testing::Names;
using testing::names_in;
using testing::same_bits;
using testing::sample_state;
using testing::TempDir;
using testing::write_raw;

ino_t inode(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_ino;
}

void flip_bit(const fs::path& path, std::size_t byte, int bit = 0) {
  std::string bytes = read_file(path);
  bytes.at(byte) = static_cast<char>(bytes[byte] ^ (1 << bit));
  write_raw(path, bytes);
}

bool is_blank(char c) { return std::string_view(" \t\r\n").find(c) != std::string_view::npos; }

TEST(Checkpoint, HoldsWhatWasSaved) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(1000));
  EXPECT_EQ(dir, run / "checkpoints/step-00001000");
  EXPECT_EQ(names_in(dir), (Names{"config.yaml", "manifest.json", "model-00001.safetensors",
                                  "optimizer-00001.safetensors", "state.json"}));
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00001000"});
  EXPECT_EQ(find_damage(dir), "");
  EXPECT_TRUE(holds_sample(dir));
  std::int64_t on_disk = 0;
  for (const std::string& name : names_in(dir)) on_disk += static_cast<std::int64_t>(fs::file_size(dir / name));
  EXPECT_GE(checkpoint_size(sample_state(1000)), on_disk);
  EXPECT_LT(checkpoint_size(sample_state(1000)), on_disk + (1 << 16));
}

TEST(Checkpoint, ManifestDescribesTheFiles) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(7));
  const auto manifest = nlohmann::json::parse(read_file(dir / "manifest.json"));
  EXPECT_EQ(manifest.at("version"), kCheckpointVersion);
  EXPECT_EQ(manifest.at("step"), 7);
  EXPECT_EQ(manifest.at("tensors").at("model"), 2);
  EXPECT_EQ(manifest.at("files").size(), 4U);
  for (const auto& [name, file] : manifest.at("files").items()) {
    EXPECT_EQ(digest_file(dir / name), (FileDigest{file.at("size"), file.at("xxh3")})) << name;
  }
}

TEST(Checkpoint, EqualStateGivesEqualBytes) {
  const TempDir a, b;
  CheckpointState state = sample_state(5);
  const fs::path first = save_checkpoint(a.path(), state);
  std::reverse(state.model.begin(), state.model.end());
  const fs::path second = save_checkpoint(b.path(), state);
  for (const std::string& name : names_in(first)) EXPECT_EQ(read_file(first / name), read_file(second / name)) << name;
}

TEST(Checkpoint, ListsFinalNamesOnly) {
  const TempDir run;
  EXPECT_TRUE(list_checkpoints(run.path()).empty());
  for (const std::int64_t step : {200, 1000000000, 100}) save_checkpoint(run.path(), sample_state(step));
  for (const char* other : {"step-1", "step-000000400", ".tmp-step-00000500-1-0", "step-00000x00", "best"}) {
    fs::create_directory(run.path() / "checkpoints" / other);
  }
  write_raw(run / "checkpoints/step-00000600", "a file");
  std::vector<std::int64_t> steps;
  for (const auto& checkpoint : list_checkpoints(run.path())) steps.push_back(checkpoint.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{100, 200, 1000000000}));
}

TEST(Checkpoint, SavingAValidStepAgainChangesNothing) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(10));
  const ino_t before = inode(dir);
  CheckpointState other = sample_state(10);
  other.model[0].tensor.fill_(-1);
  EXPECT_EQ(save_checkpoint(run.path(), other), dir);
  EXPECT_EQ(inode(dir), before);
  EXPECT_TRUE(holds_sample(dir));

  save_checkpoint(run.path(), other, {ExistingCheckpoint::kReplace});
  EXPECT_FALSE(holds_sample(dir));
  EXPECT_EQ(find_damage(dir), "");
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000010"});
}

TEST(Checkpoint, SavingABrokenStepAgainReplacesIt) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(10));
  flip_bit(dir / "model-00001.safetensors", 300);
  ASSERT_NE(find_damage(dir), "");
  save_checkpoint(run.path(), sample_state(10));
  EXPECT_TRUE(holds_sample(dir));
  EXPECT_EQ(names_in(run / "checkpoints"), Names{"step-00000010"});
}

TEST(Checkpoint, EveryFlippedBitIsFound) {
  const TempDir run(testing::fast_folder());
  const fs::path dir = save_checkpoint(run.path(), sample_state(1000));
  for (const std::string& name : names_in(dir)) {
    const std::string original = read_file(dir / name);
    for (std::size_t i = 0; i < original.size(); ++i) {
      std::string bytes = original;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
      write_raw(dir / name, bytes);
      // Blanks of the manifest carry no meaning; whatever else changes must be noticed.
      const bool blank = name == "manifest.json" && is_blank(original[i]) && is_blank(bytes[i]);
      EXPECT_EQ(find_damage(dir).empty(), blank) << name << " byte " << i;
    }
    write_raw(dir / name, original);
  }
  EXPECT_EQ(find_damage(dir), "");
}

TEST(Checkpoint, EveryTruncationIsFoundWithoutReadingTensors) {
  const TempDir run(testing::fast_folder());
  const fs::path dir = save_checkpoint(run.path(), sample_state(1000));
  for (const std::string& name : names_in(dir)) {
    const std::string original = read_file(dir / name);
    // Without its last line end the manifest still says all.
    const std::size_t most = name == "manifest.json" ? original.size() - 2 : original.size() - 1;
    for (std::size_t size = 0; size <= most; size += 1 + size / 7) {
      write_raw(dir / name, original.substr(0, size));
      EXPECT_TRUE(has(find_damage(dir, Verify::kSizes), name)) << size;
    }
    write_raw(dir / name, original + "x");
    EXPECT_TRUE(has(find_damage(dir, Verify::kSizes), name)) << "longer";
    write_raw(dir / name, original);
  }
  fs::resize_file(dir / "state.json", 3);
  EXPECT_TRUE(has(find_damage(dir), "state.json has 3 bytes instead of", "truncated"));
}

TEST(Checkpoint, MissingFilesAreNamedAndOthersIgnored) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(1000));
  write_raw(dir / "notes.txt", "the good one");
  write_raw(dir / "model-00002.safetensors", "not listed");
  EXPECT_EQ(find_damage(dir), "");
  EXPECT_TRUE(holds_sample(dir));
  for (const char* name :
       {"config.yaml", "state.json", "model-00001.safetensors", "optimizer-00001.safetensors", "manifest.json"}) {
    const std::string original = read_file(dir / name);
    fs::remove(dir / name);
    EXPECT_EQ(find_damage(dir), std::string(name) + " is missing");
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { holds_sample(dir); }), dir.string(), name, "missing"));
    write_raw(dir / name, original);
  }
  fs::remove(dir / "config.yaml");
  fs::create_directory(dir / "config.yaml");
  EXPECT_TRUE(has(find_damage(dir), "config.yaml"));
  fs::remove_all(dir);
  EXPECT_TRUE(has(find_damage(dir), "manifest.json is missing"));
}

TEST(Checkpoint, ANewerFormatIsRefusedAsSuch) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(1000));
  auto manifest = nlohmann::json::parse(read_file(dir / "manifest.json"));
  manifest["version"] = kCheckpointVersion + 1;
  manifest["whatever"] = {{"new", 1}};
  write_raw(dir / "manifest.json", manifest.dump(2));
  EXPECT_TRUE(has(find_damage(dir), "newer", cat("version ", kCheckpointVersion + 1)));
}

TEST(Checkpoint, ARenamedFolderIsRefused) {
  const TempDir run;
  save_checkpoint(run.path(), sample_state(1000));
  fs::rename(run / "checkpoints/step-00001000", run / "checkpoints/step-00009000");
  EXPECT_TRUE(has(find_damage(run / "checkpoints/step-00009000"), "1000"));
  fs::rename(run / "checkpoints/step-00009000", run / "kept");
  EXPECT_EQ(find_damage(run / "kept"), "");  // a copy under a name of its own is fine
}

TEST(Checkpoint, TheNewestValidOneIsFound) {
  const TempDir run;
  EXPECT_FALSE(find_newest_valid(run.path()).found);
  for (const std::int64_t step : {100, 200, 300, 400}) save_checkpoint(run.path(), sample_state(step));
  flip_bit(run / "checkpoints/step-00000400/optimizer-00001.safetensors", 200);
  fs::resize_file(run / "checkpoints/step-00000300/model-00001.safetensors", 10);
  const NewestCheckpoint newest = find_newest_valid(run.path());
  ASSERT_TRUE(newest.found);
  EXPECT_EQ(newest.found->step, 200);
  ASSERT_EQ(newest.passed_over.size(), 2U);
  EXPECT_EQ(newest.passed_over[0].path, run / "checkpoints/step-00000400");
  EXPECT_TRUE(has(newest.passed_over[0].reason, "optimizer-00001.safetensors is damaged"));
  EXPECT_TRUE(has(newest.passed_over[1].reason, "truncated"));
}

TEST(Checkpoint, RunsAndCheckpointsResolve) {
  const TempDir run;
  const auto refusal = [](const fs::path& path) {
    return message_of<CheckpointError>([&] { resolve_checkpoint(path); });
  };
  EXPECT_TRUE(has(refusal(run / "absent"), (run / "absent").string()));
  EXPECT_TRUE(has(refusal(run.path()), "no checkpoint yet"));
  const fs::path dir = save_checkpoint(run.path(), sample_state(100));
  EXPECT_TRUE(has(refusal(dir / "model-00001.safetensors"), "is a file"));
  save_checkpoint(run.path(), sample_state(200));
  EXPECT_EQ(resolve_checkpoint(run.path()), run / "checkpoints/step-00000200");
  EXPECT_EQ(resolve_checkpoint(dir), dir);
  EXPECT_EQ(resolve_checkpoint(dir / ""), dir);
  fs::remove(run / "checkpoints/step-00000200/state.json");
  EXPECT_TRUE(has(refusal(run / "checkpoints/step-00000200"), "state.json is missing"));
  EXPECT_EQ(resolve_checkpoint(run.path()), dir);
  fs::remove(dir / "state.json");
  EXPECT_TRUE(has(refusal(run.path()), "all 2 are broken", "state.json is missing"));
}

TEST(Checkpoint, WeightsAloneLeaveTheOptimizerAlone) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(100));
  const CheckpointState target = sample_state(1);
  load_checkpoint(dir, LoadWhat::kWeights, target.model, {});
  EXPECT_TRUE(same_bits(target.model[0].tensor, sample_state(100).model[0].tensor));
}

TEST(Checkpoint, CountersOfEarlierProgramsAreLeftOut) {
  const TempDir run;
  auto state = sample_state(3);
  state.model.emplace_back("layers.0.input_norm.steps", at::full({1}, 3.0));
  state.model.emplace_back("residual.steps", at::full({1}, 3.0));
  EXPECT_TRUE(holds_sample(save_checkpoint(run.path(), state)));
  state.model.emplace_back("layers.0.input_norm.std", at::full({1}, 3.0));
  const fs::path other = save_checkpoint(run.path(), state, {ExistingCheckpoint::kReplace});
  EXPECT_THROW(holds_sample(other), CheckpointError);
}

TEST(Checkpoint, LoadsIntoViewsAndLeaves) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(100));
  const at::Tensor flat = at::zeros({16 * 8 + 8}).requires_grad_();
  const StateTensors views = {{"embedding.weight", flat.detach().narrow(0, 8, 128).view({16, 8})},
                              {"final_norm.gain", flat.detach().narrow(0, 0, 8)}};
  load_checkpoint(dir, LoadWhat::kWeights, views, {});
  EXPECT_EQ(flat.sum().item<float>(), 128 * 100 + 8 * 101);
}

TEST(Checkpoint, AllThatDoesNotFitIsNamedAndNothingChanged) {
  const TempDir run;
  const fs::path dir = save_checkpoint(run.path(), sample_state(100));
  const StateTensors model = {{"embedding.weight", at::zeros({16, 9})}, {"layers.0.ffn.up.weight", at::zeros({2})}};
  const StateTensors optimizer = {{"adamw/embedding.weight/m", at::zeros({16, 8})},
                                  {"adamw/updates", at::zeros({}, at::kLong)}};
  const std::string message =
      message_of<CheckpointError>([&] { load_checkpoint(dir, LoadWhat::kAll, model, optimizer); });
  EXPECT_TRUE(has(message, dir.string(), "missing there (1): 'layers.0.ffn.up.weight' [2] Float",
                  "unknown here (1): 'final_norm.gain'",
                  "'embedding.weight' is [16, 8] Float there, [16, 9] Float here",
                  "'adamw/embedding.weight/m' is [16, 8] BFloat16 there, [16, 8] Float here"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(optimizer[1].tensor.item<std::int64_t>(), 0);
}

TEST(Checkpoint, NewerOnesAreSetAside) {
  const TempDir run;
  for (const std::int64_t step : {100, 200, 300}) save_checkpoint(run.path(), sample_state(step));
  EXPECT_EQ(set_aside_newer(run.path(), 100).size(), 2U);
  EXPECT_EQ(list_checkpoints(run.path()).size(), 1U);
  EXPECT_TRUE(holds_sample(run / "checkpoints/set-aside-0001/step-00000300"));
  EXPECT_TRUE(set_aside_newer(run.path(), 100).empty());
  save_checkpoint(run.path(), sample_state(200));
  set_aside_newer(run.path(), 100);
  EXPECT_TRUE(holds_sample(run / "checkpoints/set-aside-0002/step-00000200"));
}

TEST(Checkpoint, StateMustAgreeWithTheStep) {
  const TempDir run;
  CheckpointState state = sample_state(10);
  state.state["step"] = 11;
  EXPECT_THROW(save_checkpoint(run.path(), state), std::logic_error);
}

}  // namespace
}  // namespace ingot
