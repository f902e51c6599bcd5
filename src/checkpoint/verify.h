#pragma once
// How much of a checkpoint is read to tell whether it is whole.

namespace ingot {

/// kSizes looks at the manifest and at the sizes of files; kChecksums reads everything.
enum class Verify { kSizes, kChecksums };

}  // namespace ingot
