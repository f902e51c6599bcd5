#include "data/text/source_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/own_folder.h"
#include "data/shards/path_json.h"
#include "data/support.h"

namespace ingot {
namespace {

class SourceFiles : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  void link(const std::string& target, const std::string& name) const { fs::create_symlink(target, path(name)); }

  /// Paths below the folder, as they are found.
  std::vector<std::string> found(const std::vector<std::string>& names) const {
    std::vector<std::string> paths, out;
    for (const std::string& name : names) paths.push_back(path(name));
    for (const SourceFile& file : find_files(paths)) {
      out.push_back(file.path.lexically_relative(folder.path()).string());
    }
    return out;
  }
  std::string refusal(const std::vector<std::string>& names) const {
    return message_of<DataError>([&] { found(names); });
  }

  using Names = std::vector<std::string>;
  TemporaryFolder folder;
};

TEST_F(SourceFiles, FoldersAreWalkedInTheOrderOfBytesWithoutHiddenAndEmptyFiles) {
  for (const char* name : {"d/b.txt", "d/a/z.txt", "d/a-b.txt", "d/.hidden/x.txt", "d/.git"}) folder.write(name, name);
  folder.write("d/empty.txt", "");
  EXPECT_EQ(found({"d"}), (Names{"d/a-b.txt", "d/a/z.txt", "d/b.txt"}));
  EXPECT_EQ(found({"d/b.txt", "d/a*"}), (Names{"d/b.txt", "d/a/z.txt", "d/a-b.txt"})) << "matches in their order";
}

TEST_F(SourceFiles, LoopsEnd) {
  folder.write("d/a.txt", "a");
  folder.write("d/sub/b.txt", "b");
  link(".", "d/self");
  link("..", "d/sub/up");
  link("loop2", "d/loop1");
  link("loop1", "d/loop2");
  EXPECT_EQ(found({"d"}), (Names{"d/a.txt", "d/sub/b.txt"}));
  EXPECT_EQ(found({"d/self"}), (Names{"d/self/a.txt", "d/self/sub/b.txt"})) << "named itself, a link is a folder";
}

TEST_F(SourceFiles, LinksAreFollowedAndWhatIsThereItselfComesFirst) {
  folder.write("outside/x.txt", "x");
  folder.write("outside/deep/y.txt", "y");
  folder.write("d/real/a.txt", "a");
  link("../outside", "d/linked");
  link("real", "d/again");
  link("real/a.txt", "d/1st.txt");
  link("nowhere", "d/dangling");
  fs::create_hard_link(path("d/real/a.txt"), path("d/real/same.txt"));
  EXPECT_EQ(found({"d"}), (Names{"d/linked/deep/y.txt", "d/linked/x.txt", "d/real/a.txt"}));
}

TEST_F(SourceFiles, OneFileByTwoNamesCountsOnce) {
  folder.write("a.txt", "a");
  link("a.txt", "b.txt");
  EXPECT_EQ(found({"b.txt", "a.txt"}), Names{"b.txt"});
  EXPECT_EQ(found({"*.txt"}), Names{"a.txt"});
  folder.write("d/c.txt", "c");
  link("d", "e");
  EXPECT_EQ(found({"d", "e"}), Names{"d/c.txt"});
  EXPECT_NE(refusal({"a.txt", "a.txt"}).find("named twice"), std::string::npos);
}

TEST_F(SourceFiles, WhatThisProgramMadeIsNoText) {
  folder.write("p/a.txt", "a");
  for (const auto& [name, kind] : std::map<std::string, FolderKind>{
           {"p/runs/t", FolderKind::kRun}, {"p/cache", FolderKind::kCache}, {"p/shards", FolderKind::kShards}}) {
    const FolderClaim claim(path(name), kind, "test");
    folder.write(name + "/log.txt", "step 1");
    folder.write(name + "/train.bin", "tokens");
  }
  folder.write("p/old/status.json", R"({"state": "done", "exit_code": 0, "retry": false})");
  folder.write("p/old/log.txt", "step 1");
  EXPECT_EQ(found({"p"}), Names{"p/a.txt"});
  EXPECT_EQ(found({"p/*"}), Names{"p/a.txt"});
  EXPECT_NE(refusal({"p/runs/t"}).find("is a run directory and no text"), std::string::npos);
  EXPECT_NE(refusal({"p/cache"}).find("is a cache of prepared data and no text"), std::string::npos);
  EXPECT_NE(refusal({"p/runs/t/*"}).find("holds no text"), std::string::npos);
  EXPECT_EQ(found({"p/shards/*"}), Names{"p/shards/train.bin"}) << "tokens are data";
  EXPECT_EQ(found({"p/runs/t/log.txt"}), Names{"p/runs/t/log.txt"}) << "asked for by name";
}

TEST_F(SourceFiles, ThisProcessesOwnOutputIsNoText) {
  folder.write("d/a.txt", "a");
  folder.write("d/err.txt", "warning: …");
  const int saved = ::dup(STDERR_FILENO);
  const int file = ::open(path("d/err.txt").c_str(), O_WRONLY | O_APPEND);
  ::dup2(file, STDERR_FILENO);
  const Names during = found({"d"});
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(file);
  EXPECT_EQ(during, Names{"d/a.txt"});
}

TEST_F(SourceFiles, NamesNeedNotBeUtf8) {
  const std::string name = "caf\xE9.txt";
  folder.write("d/" + name, "a");
  const auto files = find_files({path("d")});
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].path.filename().native(), name);
}

TEST(PathJson, GoesThereAndBack) {
  for (const char* name : {"/a/b.txt", "/caf\xC3\xA9", "/caf\xE9/\xFF\x01", ""}) {
    const auto written = JsonValue::parse(path_to_json(name).dump(), {});
    EXPECT_EQ(path_from_json(written).native(), name);
  }
  EXPECT_EQ(path_to_json("/a"), "/a");
  EXPECT_THROW(path_from_json(JsonValue::of(3, {})), Error);
  EXPECT_THROW(path_from_json(JsonValue::of(nlohmann::json::object(), {})), Error);
}

}  // namespace
}  // namespace ingot
