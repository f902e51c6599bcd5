// YAML configs, read into a struct with every kind of field; and overrides, one a line after a line "---- overrides".

#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "config/reader.h"
#include "config/sample.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr std::string_view kMark = "\n---- overrides\n";

/// What the reader's own sample lacks: anchors, aliases, blocks, quotes.
constexpr const char* kForms =
    "name: &n 'a #b'\ndir: *n\nmodel:\n  layers: >-\n    2x(AF)\n    MF\n  d_model: 0x40\n"
    "data: {paths: [\"a\\tb\", |x], documents: {separator: \"\\n\"}}\n";

}  // namespace

std::vector<std::string> fuzz::seeds() {
  const std::string good = sample::kGood;
  return {good,
          good + std::string(kMark) + "model.d_model=128\n~data.validation\ntrain.every=10 steps\ndata.paths+=c.txt",
          kForms};
}

std::vector<std::string> fuzz::words() {
  return {"[",         "{a: ", "]", "}",  "&x ",   "*x", "<<: *x", "- ", "\n  ", "extends: a.yaml\n",
          "!!binary ", "|",    ">", "? ", "---\n", "=",  "~"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  std::string text = fuzz::text_of(data, size);
  std::vector<std::string> overrides;
  if (const std::size_t mark = text.find(kMark); mark != text.npos) {
    overrides = split(text.substr(mark + kMark.size()), '\n');
    text.resize(mark);
  }
  fuzz::accepts(ExitCode::kConfig, [&] {
    const Document document = Document::parse(text, "input.yaml", overrides, fuzz::folder());
    Problems problems(document);
    sample::Config config;
    read_config(document, sample::lookup(), config, problems);
    problems.throw_if_any();
  });
  return 0;
}
