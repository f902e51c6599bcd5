#pragma once
// Requests to stop that reach the process from outside: SIGTERM, SIGINT, SIGUSR1, SIGHUP.

#include <array>
#include <csignal>
#include <string>

namespace ingot {

/// The process's signal handling is one for all, so is this. Handlers only count; whoever works looks at the count at a
/// place where it can stop in good order.
class StopSignals {
 public:
  static constexpr std::array<int, 4> kNumbers{SIGTERM, SIGINT, SIGUSR1, SIGHUP};

  /// From now on, to the process's end, these signals ask for a stop, however often they come; but a second SIGINT ends
  /// the process at once with 130. A SIGHUP that was ignored stays ignored (nohup). SIGPIPE is ignored: a reader of the
  /// log who leaves is no reason to end. Signals that a parent blocked until now (`block`) arrive. A second call does
  /// nothing.
  static void listen();
  /// Gives the signals their meaning before `listen` back; one that came meanwhile acts now.
  static void let_go();
  /// From now on these signals mean nothing: the process has its exit code.
  static void ignore();

  /// Keeps the signals waiting: for this process until `unblock`, for programs that it starts meanwhile until they
  /// listen.
  static void block();
  static void unblock();
  /// A second SIGINT is counted, too: its consequences are the caller's.
  static void count_interrupts();

  /// Where work can be ended without a loss: throws Error(kStopped) if a signal came, "stopped on SIGTERM " and `when`.
  static void end_if_received(const std::string& when);
  /// The first that came, such as "SIGTERM"; "" if none did.
  static std::string received();
  /// How often kNumbers[index] came.
  static int count(std::size_t index);
};

}  // namespace ingot
