#pragma once
// What every process of this program does before anything else.

namespace ingot {

/// Descriptors 0 to 2 are open, so that no file of ours gets the number of a closed stdout and the text meant for it. A
/// file that may not grow further (`ulimit -f`) is an error of the write, as a full disk is, and no signal that kills.
/// As many files may be open as the system allows this user: data in many shards is mapped file by file.
void set_up_process();

}  // namespace ingot
