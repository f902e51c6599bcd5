// What a run keeps about itself: status.json, run.lock, metrics.jsonl. The first byte chooses.

#include <unistd.h>

#include "fuzz/fuzz.h"
#include "run/holder.h"
#include "run/metrics.h"
#include "run/status.h"

namespace ingot {

std::vector<std::string> fuzz::seeds() {
  const std::string status =
      R"({"state": "running", "exit_code": null, "step": 3, "reason": "", "retry": false, "total_steps": 10, "loss": 2.5})";
  const std::string line = R"({"kind":"train","step":1,"tokens":64,"time":1.5,"attempt":1,"loss":null})";
  return {"S" + status, "L" + lock_detail::to_text(this_process()), "M" + line + "\n" + line + "\n"};
}

std::vector<std::string> fuzz::words() { return {"[", "{\"a\":", "null", "\n", "\"step\":", "-1", "2.5", "\"done\""}; }

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  if (size == 0) return 0;
  const std::string text = fuzz::text_of(data + 1, size - 1);
  switch (data[0]) {
    case 'S':
      fuzz::write("status.json", text);
      fuzz::accepts(ExitCode::kConfig, [] { read_status(fuzz::folder()); });
      break;
    case 'L':
      fuzz::accepts(ExitCode::kConfig, [&] { lock_detail::from_text(text); });
      break;
    default:
      fuzz::accepts(ExitCode::kOther, [&] { read_metrics(fuzz::write("metrics.jsonl", text)); });
  }
  return 0;
}
