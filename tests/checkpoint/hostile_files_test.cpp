// Checkpoints that somebody else wrote, with checksums that fit: what they say is checked where it is followed.

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "checkpoint/checkpoint.h"
#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "checkpoint/parts.h"
#include "sample_state.h"
#include "support/temp_dir.h"

namespace ingot {
namespace {

using nlohmann::json;
using testing::has;
using testing::holds_sample;
using testing::message_of;
using testing::sample_state;
using testing::TempDir;
using testing::write_raw;

class HostileCheckpoint : public ::testing::Test {
 protected:
  /// Rewrites the manifest, its checksum included.
  void change(const std::function<void(json&)>& edit) {
    json manifest = json::parse(read_file(dir_ / "manifest.json"));
    edit(manifest);
    manifest.erase("checksum");
    manifest["checksum"] = digest_bytes(manifest.dump()).xxh3;
    write_raw(dir_ / "manifest.json", manifest.dump());
  }
  /// Another state.json, which the manifest vouches for.
  void put_state(const std::string& text) {
    write_raw(dir_ / "state.json", text);
    change([&](json& manifest) { manifest["files"]["state.json"] = digest_bytes(text); });
  }
  std::string damage() const {
    const std::string text = find_damage(dir_);
    EXPECT_EQ(text.find("json.exception"), std::string::npos) << text;
    return text;
  }

  TempDir run_;
  fs::path dir_ = save_checkpoint(run_.path(), sample_state(1000));
};

TEST_F(HostileCheckpoint, NamesOnlyFilesOfItsFolder) {
  change([](json&) {});
  EXPECT_TRUE(holds_sample(dir_));
  const fs::path elsewhere = run_ / "model-00009.safetensors";
  fs::copy_file(dir_ / "model-00001.safetensors", elsewhere);
  for (const std::string& name :
       std::vector<std::string>{"../../model-00009.safetensors", elsewhere.string(), "..", ".", "", "a/b"}) {
    const std::string before = read_file(dir_ / "manifest.json");
    change([&](json& manifest) { manifest["files"][name] = manifest["files"]["model-00001.safetensors"]; });
    EXPECT_TRUE(has(damage(), "manifest.json: files: '" + name + "' is no name of a file in this folder"));
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { stored_shapes(dir_); }), dir_.string(), "no name of a file"));
    write_raw(dir_ / "manifest.json", before);
  }
}

TEST_F(HostileCheckpoint, EveryEntryIsCheckedByItsKind) {
  const std::string before = read_file(dir_ / "manifest.json");
  const std::pair<std::function<void(json&)>, const char*> cases[] = {
      {[](json& m) { m["step"] = "x"; }, "step: expected a whole number from 0, found \"x\""},
      {[](json& m) { m["files"] = 7; }, "files: expected an object, found 7"},
      {[](json& m) { m["files"]["state.json"] = nullptr; }, "files.state.json: expected an object, found null"},
      {[](json& m) { m["files"]["state.json"]["size"] = -1; }, "files.state.json.size: expected a whole number from 0"},
      {[](json& m) { m["files"]["state.json"].erase("xxh3"); }, "files.state.json: the key 'xxh3' is missing"},
      {[](json& m) { m["version"] = "1"; }, "version: expected a whole number"},
      {[](json& m) { m.erase("format"); }, "the key 'format' is missing"}};
  for (const auto& [edit, expected] : cases) {
    change(edit);
    EXPECT_TRUE(has(damage(), "manifest.json: ", expected));
    write_raw(dir_ / "manifest.json", before);
  }
}

TEST_F(HostileCheckpoint, DeepNestingIsNoCrash) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 200'000; ++i) deep += open;
    write_raw(dir_ / "manifest.json", deep);
    EXPECT_TRUE(has(damage(), "manifest.json: the JSON is nested deeper than"));
    dir_ = save_checkpoint(run_.path(), sample_state(1000));
    put_state(deep);
    EXPECT_EQ(damage(), "");
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { read_state(dir_); }), dir_.string(),
                    "state.json: the JSON is nested deeper than"));
    dir_ = save_checkpoint(run_.path(), sample_state(1000), {ExistingCheckpoint::kReplace});
    const std::uint64_t length = deep.size();
    write_raw(run_ / "deep.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + "{\"a\":" + deep);
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { SafetensorsFile(run_ / "deep.safetensors"); }),
                    (run_ / "deep.safetensors").string(), "nested deeper"));
  }
}

TEST_F(HostileCheckpoint, AStateWithoutAStepIsRefused) {
  for (const char* text : {"[]", "{}", R"({"step": -1})", R"({"step": "x"})", "7"}) {
    put_state(text);
    EXPECT_TRUE(has(message_of<CheckpointError>([&] { read_state(dir_); }), dir_.string(), "state.json: ")) << text;
  }
}

TEST_F(HostileCheckpoint, WhatIsNoFileIsNotWaitedFor) {
  for (const char* name : {"manifest.json", "state.json", "model-00001.safetensors"}) {
    fs::remove(dir_ / name);
    ASSERT_EQ(::mkfifo((dir_ / name).c_str(), 0600), 0);
    EXPECT_TRUE(has(damage(), name));
    EXPECT_THROW(load_checkpoint(dir_, LoadWhat::kWeights, sample_state(1).model, {}), CheckpointError);
    fs::remove(dir_ / name);
    fs::create_symlink("/dev/zero", dir_ / name);
    EXPECT_TRUE(has(damage(), name));
    fs::remove(dir_ / name);
    dir_ = save_checkpoint(run_.path(), sample_state(1000));
  }
}

TEST(TensorParts, ShapesThatAFileStatesAreChecked) {
  using namespace checkpoint_detail;
  const TempDir dir;
  const auto problem = [&](const std::string& shapes) {
    write_safetensors(dir / "model-00001.safetensors", {{"w@0", at::arange(6)}}, {{"shapes", shapes}});
    return message_of<Damage>([&] { TensorGroup(dir.path(), {"model-00001.safetensors"}); });
  };
  EXPECT_EQ(problem(R"({"w": [2, 3]})"), "");
  EXPECT_TRUE(has(problem(R"({"w": [4294967296, 4294967296]})"), "the shape of tensor 'w' is too large"));
  EXPECT_TRUE(has(problem(R"({"w": [2, -3]})"), "shapes: w[1]: expected a whole number from 0, found -3"));
  EXPECT_TRUE(has(problem(R"({"w": 6})"), "shapes: w: expected a list, found 6"));
  EXPECT_TRUE(has(problem("[]"), "shapes: expected an object, found a list"));
  EXPECT_TRUE(has(problem(R"({"w": [7]})"), "of tensor 'w' the part from element 6 on is missing"));
}

TEST(TensorParts, APartThatIsAllTakesTheTensorsShape) {
  using namespace checkpoint_detail;
  const TempDir dir;
  const auto values = at::arange(6, at::kFloat);
  write_safetensors(dir / "model-00001.safetensors", {{"w@0", values}}, {{"shapes", R"({"w": [2, 3]})"}});
  StateTensors target;
  target.emplace_back("w", at::zeros({2, 3}));
  TensorGroup(dir.path(), {"model-00001.safetensors"}).copy_to(target);
  EXPECT_TRUE(testing::same_bits(target[0].tensor, values.view({2, 3})));
}

}  // namespace
}  // namespace ingot
