#pragma once
// The option --trained of commands that open a trained model.

#include <CLI/CLI.hpp>

#include "eval/trained_model.h"

namespace ingot {

/// `weights` must outlive the command's parsing.
void add_trained(CLI::App& command, WeightsKind& weights);

}  // namespace ingot
