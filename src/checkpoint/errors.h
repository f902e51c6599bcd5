#pragma once
// Errors of the file system arrive as `Error` or std::filesystem::filesystem_error; callers of this module catch one
// type.

#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace ingot::checkpoint_detail {

/// Calls `f` and turns what it throws into CheckpointError, but for the loss of other ranks.
template <class F>
auto with_checkpoint_errors(F&& f) {
  try {
    return f();
  } catch (const CheckpointError&) {
    throw;
  } catch (const DistributedError&) {
    throw;
  } catch (const Error& e) {
    throw CheckpointError(e.what());
  } catch (const std::filesystem::filesystem_error& e) {
    throw CheckpointError("'" + e.path1().string() + "': " + e.code().message());
  }
}

}  // namespace ingot::checkpoint_detail
