// A checkpoint's manifest.json (an input that begins with "M") and state.json (any other), with the checksums that they
// need to be believed.

#include <ATen/ops/ones.h>

#include <algorithm>

#include "checkpoint/checkpoint.h"
#include "checkpoint/manifest.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

using nlohmann::json;

StateTensors tensors() {
  StateTensors out;
  out.emplace_back("w", at::ones({2, 3}));
  return out;
}

const fs::path& saved() {
  static const fs::path dir = [] {
    CheckpointState state;
    state.step = 7;
    state.state = {{"step", 7}, {"tokens", 12}};
    state.model = tensors();
    state.config_yaml = "run: {name: x}\n";
    return save_checkpoint(fuzz::folder() / "run", state);
  }();
  return dir;
}

std::string saved_text(const char* name) { return read_file(saved() / name); }

/// What the manifest says of itself, as it would be if it had been written so.
std::string with_checksum(const std::string& text) {
  json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return text;
  document.erase("checksum");
  try {
    document["checksum"] = digest_bytes(document.dump()).xxh3;
  } catch (const json::exception&) {
    return text;
  }
  return document.dump();
}

bool is_flat(const std::string& text) {
  // Copying and writing call themselves for each level: not for what is here to overrun the reader's stack.
  return std::count(text.begin(), text.end(), '{') + std::count(text.begin(), text.end(), '[') < 1000;
}

void use(const fs::path& dir) {
  fuzz::accepts(ExitCode::kCheckpoint, [&] {
    const std::string damage = find_damage(dir);
    if (!damage.empty()) throw CheckpointError(damage);
    read_state(dir);
    read_checkpoint_config(dir);
    stored_shapes(dir);
    load_checkpoint(dir, LoadWhat::kAll, tensors(), {});
  });
}

}  // namespace

std::vector<std::string> fuzz::seeds() { return {"M" + saved_text("manifest.json"), saved_text("state.json")}; }

std::vector<std::string> fuzz::words() {
  return {"[",          "{\"a\":", "../", "/dev/zero", "\"../state.json\"", "model-00001.safetensors",
          "\"size\": ", "null",    "-1"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  static const std::string manifest = saved_text("manifest.json"), state = saved_text("state.json");
  std::string text = fuzz::text_of(data, size);
  const fs::path here = fs::relative(saved(), fuzz::folder());
  if (text.starts_with('M')) {
    text.erase(0, 1);
    fuzz::write(here / "manifest.json", size % 2 == 0 && is_flat(text) ? with_checksum(text) : text);
    fuzz::write(here / "state.json", state);
  } else {
    json document = json::parse(manifest);
    document["files"]["state.json"] = digest_bytes(text);
    fuzz::write(here / "state.json", text);
    fuzz::write(here / "manifest.json", with_checksum(document.dump()));
  }
  use(saved());
  return 0;
}
