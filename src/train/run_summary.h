#pragma once
// What a run says of itself at its start and at its end.

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "data/data_module.h"
#include "eval/evaluate.h"
#include "run/counters.h"
#include "train/setup.h"

namespace ingot {

/// The table at the start: model, parameters by role, data, batch, precision, device, memory. One string a line.
std::vector<std::string> start_table(const TrainSetup& setup, const DataModule& data);

/// What summary.json holds.
nlohmann::ordered_json summary_of(const Counters& counters, const std::vector<EvaluationResult>& evaluations);

/// The lines at the end: held-out loss, where everything lies, what to try next.
std::vector<std::string> end_report(const TrainSetup& setup, const Counters& counters,
                                    const std::vector<EvaluationResult>& evaluations);

/// "held-out loss 2.103, 1.71 bits per byte over 1.0M tokens".
std::string evaluation_text(const EvaluationResult& result);

/// Parameter counts by role, largest first; a tied embedding counts once.
std::vector<std::pair<std::string, std::int64_t>> parameters_by_role(const ParameterStore& store);

/// What a finished run says when it is started again.
std::string finished_text(const std::string& run_dir, std::int64_t step);

}  // namespace ingot
