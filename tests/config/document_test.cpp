#include "config/document.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "base/text.h"

namespace ingot {
namespace {

/// The tree in flow style, scalars as they are.
std::string flow(const Node& node) {
  std::vector<std::string> parts;
  switch (node.kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kScalar:
      return node.scalar.quoted ? "'" + node.scalar.text + "'" : node.scalar.text;
    case Node::Kind::kList:
      for (const Node& item : node.items) parts.push_back(flow(item));
      return cat("[", join(parts, ", "), "]");
    case Node::Kind::kMap:
      for (const auto& member : node.members) parts.push_back(member.key + ": " + flow(member.value));
      return cat("{", join(parts, ", "), "}");
  }
  return "";
}

std::string tree(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const Document document = Document::parse(text, "a.yaml", overrides);
  std::vector<std::string> lines;
  for (const Misplaced& problem : document.problems()) {
    lines.push_back(problem.where.file.empty() ? problem.message : problem.where.text() + ": " + problem.message);
  }
  return lines.empty() ? flow(document.root()) : join(lines, "\n");
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string syntax_error(const std::string& text) {
  return error_of([&] { Document::parse(text, "a.yaml"); });
}

TEST(Document, KeepsPlaces) {
  const Document document = Document::parse("a: 1\nb:\n  - x\n  - {c: [y, z]}\n", "a.yaml");
  EXPECT_EQ(document.find("a")->where().text(), "a.yaml:1:4");
  EXPECT_EQ(document.find("b")->where().text(), "a.yaml:2:1");
  EXPECT_EQ(document.find("b.1.c.1")->where().text(), "a.yaml:4:13");
  EXPECT_EQ(document.find("b.1.c.2"), nullptr);
  EXPECT_EQ(document.find("b.1.d"), nullptr);
  EXPECT_EQ(document.nearest("b.1.d.e").where().text(), "a.yaml:4:5");
}

TEST(Document, TakesNullsQuotesAndEmptyFiles) {
  EXPECT_EQ(tree("{a: , b: ~, c: null, d: 'null', e: \"\", f: !!str 01}"),
            "{a: null, b: null, c: null, d: 'null', e: '', f: '01'}");
  EXPECT_EQ(tree(""), "{}");
  EXPECT_EQ(tree("# nothing\n"), "{}");
}

TEST(Document, ResolvesAnchorsAndMergeKeys) {
  EXPECT_EQ(tree("base: &b {x: 1, y: 2}\na: {<<: *b, y: 3}\n"), "{base: {x: 1, y: 2}, a: {y: 3, x: 1}}");
  EXPECT_EQ(tree("p: &p {x: 1}\nq: &q {x: 2, z: 3}\na:\n  <<: [*p, *q]\n"),
            "{p: {x: 1}, q: {x: 2, z: 3}, a: {x: 1, z: 3}}");
  EXPECT_EQ(tree("a: {<<: 4}"), "a.yaml:1:9: '<<' takes a mapping or a list of them, found a single value");
  EXPECT_EQ(tree("l: &l [1, 2]\nm: *l\n"), "{l: [1, 2], m: [1, 2]}");
}

TEST(Document, ReportsDuplicatesAndGoesOn) {
  EXPECT_EQ(tree("a: 1\nb: {c: 1, c: 2}\na: 2\n"),
            "a.yaml:2:11: duplicate key 'c', first set in line 2\na.yaml:3:1: duplicate key 'a', first set in line 1");
}

TEST(Document, RefusesWhatIsNoConfig) {
  EXPECT_EQ(syntax_error("- a\n"), "a.yaml:1:1: expected a mapping with sections such as 'model:', found a list");
  EXPECT_EQ(syntax_error("just text"),
            "a.yaml:1:1: expected a mapping with sections such as 'model:', found a single value");
  EXPECT_EQ(syntax_error("a: 1\n---\nb: 2\n"), "a.yaml:3:1: a second YAML document, expected one");
  EXPECT_EQ(tree("? [a, b]\n: 1\n"), "a.yaml:1:3: a key must be a name, found a list");
}

TEST(Document, SyntaxErrorsHavePlaceAndHint) {
  const auto starts = [](const std::string& text, const std::string& place, const std::string& hint) {
    const std::string message = syntax_error(text);
    EXPECT_TRUE(message.starts_with(place + ": no valid YAML: ")) << message;
    EXPECT_NE(message.find(hint), std::string::npos) << message;
  };
  starts("a:\n\tb: 1\n", "a.yaml:2:3", "indent with blanks, YAML allows no tabs");
  starts("a: [b, c\nd: 1\n", "a.yaml:2:2", "");
  starts("a: *.txt\n", "a.yaml:1:4", "quote text that starts with '*'");
  starts("a: [*]\n", "a.yaml:1:6", "quote text that starts with '*'");
  starts("a: [${HOME}/x]\n", "a.yaml:1:6", "write $NAME, or quote text that holds '${'");
  starts("a: @x\n", "a.yaml:1:4", "quote text that starts with '@'");
  starts("a: !thing x\n", "a.yaml:1:4", "the tag '!thing' has no meaning here");
  starts("a: b: c\n", "a.yaml:1:5", "");
}

TEST(Document, AliasesCannotExplode) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += cat("a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) text += cat(j != 0 ? ", " : "", "*a", i - 1);
    text += "]\n";
  }
  EXPECT_NE(syntax_error(text).find("too many values"), std::string::npos);
  // Anchors hold copies too: each of these doubles what is stored, though nothing is used in the end.
  text = "a0: &a0 {k: {v: 1, w: 1}}\n";
  for (int i = 1; i < 30; ++i) text += cat("a", i, ": &a", i, " {x: *a", i - 1, ", y: *a", i - 1, "}\n");
  EXPECT_NE(syntax_error(text).find("too many values"), std::string::npos);
}

TEST(Document, NothingNestsWithoutEnd) {
  const auto nested = [](std::size_t depth) {
    return "a: " + std::string(depth, '[') + std::string(depth, ']') + "\n";
  };
  EXPECT_EQ(syntax_error(nested(60)), "no error");
  EXPECT_EQ(syntax_error(nested(70)), "a.yaml:1:67: mappings and lists nested more than 64 deep");
  EXPECT_NE(syntax_error(nested(1'000'000)).find("nested more than 64 deep"), std::string::npos);
  EXPECT_NE(syntax_error("a: " + std::string(1'000'000, '{')).find("nested more than 64 deep"), std::string::npos);
  std::string blocks = "a:\n ";
  for (int i = 0; i < 100; ++i) blocks += "- ";
  EXPECT_NE(syntax_error(blocks + "1\n").find("nested more than 64 deep"), std::string::npos);
  // Aliases in aliases.
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) chain += cat("a", i, ": &a", i, " [*a", i - 1, "]\n");
  EXPECT_NE(syntax_error(chain).find("nested more than 64 deep"), std::string::npos);
}

TEST(Document, AMappingHasALimitOfKeys) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += cat("k", i, ": 1\n");
  EXPECT_EQ(syntax_error(text), "a.yaml:2001:1: a mapping of more than 2,000 keys");
}

TEST(Merge, FollowsTheRules) {
  const std::string base = "n: {type: rms_norm, eps: 1}\nm: rms_norm\nl: [1, 2]\ns: {a: 1, b: {c: 2}}\n";
  EXPECT_EQ(tree(base, {"n=none"}), "{n: none, m: rms_norm, l: [1, 2], s: {a: 1, b: {c: 2}}}");
  EXPECT_EQ(tree(base, {"n={type: dyt}"}), "{n: {type: dyt}, m: rms_norm, l: [1, 2], s: {a: 1, b: {c: 2}}}");
  EXPECT_EQ(tree(base, {"n={gain: 2}"}),
            "{n: {type: rms_norm, eps: 1, gain: 2}, m: rms_norm, l: [1, 2], s: {a: 1, b: {c: 2}}}");
  EXPECT_EQ(tree(base, {"m.eps=3"}),
            "{n: {type: rms_norm, eps: 1}, m: {type: rms_norm, eps: 3}, l: [1, 2], s: {a: 1, b: {c: 2}}}");
  EXPECT_EQ(tree(base, {"l=[3]"}), "{n: {type: rms_norm, eps: 1}, m: rms_norm, l: [3], s: {a: 1, b: {c: 2}}}");
  EXPECT_EQ(tree("s: {a: 1, b: {c: 2}}", {"s={b: {d: 3}}"}), "{s: {a: 1, b: {c: 2, d: 3}}}");
  EXPECT_EQ(tree("v: null", {"v={a: 1}"}), "{v: {a: 1}}");
}

TEST(Overrides, SetAppendAndRemove) {
  EXPECT_EQ(tree("", {"a.b.c=1", "a.b.d='x'"}), "{a: {b: {c: 1, d: 'x'}}}");
  EXPECT_EQ(tree("g: [{n: a}, {n: b}]", {"g.1.n=c"}), "{g: [{n: a}, {n: c}]}");
  EXPECT_EQ(tree("g: [a]", {"g+=b", "g+=[c, d]"}), "{g: [a, b, c, d]}");
  EXPECT_EQ(tree("", {"g+=b"}), "{g: [b]}");
  EXPECT_EQ(tree("g: a", {"g+=b"}), "{g: [a, b]}");
  EXPECT_EQ(tree("g: [{n: a}]", {"g+={n: b}"}), "{g: [{n: a}, {n: b}]}");
  EXPECT_EQ(tree("a: 1\nb: {c: 1, d: 2}\ne: [1, 2, 3]", {"~a", "~b.c", "~e.1"}), "{b: {d: 2}, e: [1, 3]}");
  EXPECT_EQ(tree("a: 1", {"a="}), "{a: null}");
  EXPECT_EQ(tree("", {"a=x=y"}), "{a: x=y}");
}

TEST(Overrides, AHashIsACharacter) {
  EXPECT_EQ(tree("", {"a=dir #1/p.txt"}), "{a: dir #1/p.txt}");
  EXPECT_EQ(tree("", {"a=#"}), "{a: #}");
  EXPECT_EQ(tree("", {"a=[x #1, '#2', \"y # z\"]"}), "{a: [x #1, '#2', 'y # z']}");
  EXPECT_EQ(tree("", {"a={#k: 1}"}), "{a: {#k: 1}}");
  EXPECT_EQ(tree("a: 1 # a comment"), "{a: 1}");
  // Also where what stands in for it while YAML is read is there already.
  EXPECT_EQ(tree("", {"a=\xEE\x80\x80 #"}), "{a: \xEE\x80\x80 #}");
}

TEST(Overrides, MistakesNameTheOverride) {
  const auto one = [](const std::string& text) { return tree("abc: {d: 1}\ng: [1]\n", {text}); };
  EXPECT_EQ(one("abc"), "command line: 'abc': expected path=value, path+=value or ~path");
  EXPECT_EQ(one("=1"), "command line: '=1': expected path=value, path+=value or ~path");
  EXPECT_EQ(one("a..b=1"), "command line: 'a..b=1': 'a..b' is no path such as optim.optimizer.lr");
  EXPECT_EQ(one("~abd"), "command line: '~abd': nothing is set at 'abd' (did you mean 'abc'?)");
  EXPECT_EQ(one("g.1=2"), "command line: 'g.1=2': g.1: the list has no element '1', expected an index from 0");
  EXPECT_EQ(one("abc+=2"), "command line: 'abc+=2': abc: '+=' appends to a list, found a mapping");
  EXPECT_EQ(one("extends=x.yaml"), "command line: 'extends=x.yaml': extends: belongs into a file");
  EXPECT_TRUE(one("abc={").starts_with("command line: 'abc={': no valid YAML: ")) << one("abc={");
  EXPECT_TRUE(one("g=*.txt").ends_with("quote text that starts with '*'")) << one("g=*.txt");
  EXPECT_EQ(tree("", {"x", "y"}),
            "command line: 'x': expected path=value, path+=value or ~path\n"
            "command line: 'y': expected path=value, path+=value or ~path");
}

class ExtendsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ingot_extends_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { write_file_atomic(folder_ / name, text); }
  Document load(const std::string& name) { return Document::load(name, {}, folder_); }
  fs::path folder_;
};

TEST_F(ExtendsTest, LaterWinsAndPathsAreRelativeToTheNamingFile) {
  write("sub/base.yaml", "a: 1\nb: {c: 1, d: 1}\n");
  write("sub/middle.yaml", "extends: base.yaml\nb: {c: 2}\nl: [1]\n");
  write("other.yaml", "b: {e: 9}\nl: [2]\n");
  write("top.yaml", "b: {d: 3}\nextends: [sub/middle.yaml, other.yaml]\n");
  const Document document = load("top.yaml");
  EXPECT_EQ(flow(document.root()), "{a: 1, b: {c: 2, d: 3, e: 9}, l: [2]}");
  EXPECT_EQ(document.find("a")->where().text(), "sub/base.yaml:1:4");
  EXPECT_EQ(document.find("a")->source->folder, folder_ / "sub");
  EXPECT_EQ(document.find("b.d")->where().text(), "top.yaml:1:8");
  EXPECT_EQ(document.root().where().text(), "top.yaml:1:1");
  std::vector<std::string> names;
  for (const fs::path& file : document.files()) names.push_back(file.filename());
  EXPECT_EQ(names, (std::vector<std::string>{"base.yaml", "middle.yaml", "other.yaml", "top.yaml"}));
  EXPECT_LT(document.find("a")->source->rank, document.find("l")->source->rank);
}

TEST_F(ExtendsTest, OneBaseMayBeReachedTwice) {
  write("base.yaml", "a: 1\n");
  write("x.yaml", "extends: base.yaml\nb: 2\n");
  write("top.yaml", "extends: [x.yaml, base.yaml]\n");
  EXPECT_EQ(flow(load("top.yaml").root()), "{a: 1, b: 2}");
}

TEST_F(ExtendsTest, FilesThatExtendTheNextOneTwiceEnd) {
  for (int i = 0; i < 26; ++i) write(cat(i, ".yaml"), cat("extends: [", i + 1, ".yaml, ", i + 1, ".yaml]\n"));
  write("26.yaml", "a: 1\n");
  const auto message = error_of([&] { load("0.yaml"); });
  EXPECT_NE(message.find("more than 200 files to read"), std::string::npos) << message;
  EXPECT_NE(message.find("25.yaml:1:"), std::string::npos) << message;
}

TEST_F(ExtendsTest, OnlySmallRegularFilesAreConfigs) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe.yaml").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { load("pipe.yaml"); }),
            "'" + (folder_ / "pipe.yaml").string() + "' is a pipe or a device, expected a YAML file");
  EXPECT_EQ(error_of([&] { load("/dev/zero"); }), "'/dev/zero' is a pipe or a device, expected a YAML file");
  write("top.yaml", "extends: pipe.yaml\n");
  EXPECT_TRUE(error_of([&] { load("top.yaml"); }).starts_with("top.yaml:1:10: '"));
  EXPECT_EQ(error_of([&] { load("sub"); }), "'" + (folder_ / "sub").string() + "' is a folder, expected a YAML file");
  write("large.yaml", std::string(5 << 20, ' '));
  EXPECT_EQ(error_of([&] { load("large.yaml"); }),
            "'" + (folder_ / "large.yaml").string() + "' holds more than 4.0 MiB, expected a YAML file");
  // No size, no end.
  EXPECT_NE(error_of([&] { load("/proc/self/pagemap"); }).find("'/proc/self/pagemap'"), std::string::npos);
}

TEST_F(ExtendsTest, CyclesAreNamed) {
  write("a.yaml", "extends: b.yaml\n");
  write("b.yaml", "extends: a.yaml\n");
  EXPECT_EQ(error_of([&] { load("a.yaml"); }),
            "b.yaml:1:10: extends: the files extend one another: a.yaml -> b.yaml -> a.yaml");
  write("self.yaml", "extends: ./self.yaml\n");
  EXPECT_EQ(error_of([&] { load("self.yaml"); }),
            "self.yaml:1:10: extends: the files extend one another: self.yaml -> self.yaml");
}

TEST_F(ExtendsTest, MissingFilesAreNamedWhereTheyAreNamed) {
  write("a.yaml", "x: 1\nextends: none.yaml\n");
  EXPECT_EQ(error_of([&] { load("a.yaml"); }),
            "a.yaml:2:10: cannot read '" + (folder_ / "none.yaml").string() + "': No such file or directory");
  EXPECT_EQ(error_of([&] { load("gone.yaml"); }),
            "cannot read '" + (folder_ / "gone.yaml").string() + "': No such file or directory");
  write("bad.yaml", "extends: {a: 1}\n");
  EXPECT_EQ(error_of([&] { load("bad.yaml"); }),
            "bad.yaml:1:1: extends: expected a file or a list of files, found a mapping");
}

}  // namespace
}  // namespace ingot
