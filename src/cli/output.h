#pragma once
// Results on stdout.

namespace ingot {

/// Control characters of results are shown there, and passed on to files and pipes.
bool stdout_is_terminal();

/// Everything written to stdout so far has left the process. Throws Error if not, whichever write it was that failed.
void finish_stdout();

}  // namespace ingot
