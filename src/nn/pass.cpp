#include "nn/pass.h"

#include "ops/recompute/recompute.h"

namespace ingot {

PassKind Pass::kind() const {
  if (!training) return PassKind::kEvaluation;
  return ops::recomputing() ? PassKind::kRecompute : PassKind::kTraining;
}

}  // namespace ingot
