#include "cli/trained_option.h"

namespace ingot {

void add_trained(CLI::App& command, WeightsKind& weights) {
  command.add_flag_callback(
      "--trained", [&weights] { weights = WeightsKind::kTrained; },
      "the weights that were trained, of a run that evaluated others (`optim.average`, a schedule-free optimizer)");
}

}  // namespace ingot
