#pragma once
// Who a lock names, and whether that process still lives.

#include <optional>
#include <string>

#include "train/run_lock.h"

namespace ingot::lock_detail {

std::string to_text(const LockHolder& holder);
/// None if the text is not complete.
std::optional<LockHolder> from_text(const std::string& text);

/// Whether process numbers of the holder mean the same here.
bool is_visible(const LockHolder& holder, const LockHolder& self);
/// Whether a visible holder has ended. A process that only waits to be reaped has.
bool has_ended(const LockHolder& holder);

/// Seconds since the file was last touched, by the clock of its file system; 0 if it cannot be told.
double age_of(const fs::path& file);

}  // namespace ingot::lock_detail
