#include "base/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::size_t kSignals = StopSignals::kNumbers.size();
constexpr std::array<const char*, kSignals> kNames{"SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP"};
constexpr char kHint[] = "\nsaving and stopping; Ctrl-C again ends at once and loses what is not saved\n";

// Only what a handler may touch.
volatile std::sig_atomic_t counts[kSignals] = {};
volatile std::sig_atomic_t first = -1;
volatile std::sig_atomic_t second_interrupt_ends = 1;
volatile std::sig_atomic_t has_terminal = 0;
volatile std::sig_atomic_t listening = 0;

std::array<struct sigaction, kSignals> before{};
struct sigaction pipe_before {};

void handle(int signal, siginfo_t* info, void* /*context*/) {
  for (std::size_t i = 0; i < kSignals; ++i) {
    if (StopSignals::kNumbers[i] != signal) continue;
    counts[i] = counts[i] + 1;
    if (first < 0) first = static_cast<std::sig_atomic_t>(i);
    if (signal != SIGINT) continue;
    if (counts[i] >= 2 && second_interrupt_ends != 0) ::_exit(static_cast<int>(ExitCode::kInterrupted));
    // The kernel sends what was typed. Nothing depends on whether it can be answered.
    if (counts[i] == 1 && has_terminal != 0 && info->si_code == SI_KERNEL) {
      if (::write(STDERR_FILENO, kHint, sizeof kHint - 1) < 0) return;
    }
  }
}

sigset_t signal_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : StopSignals::kNumbers) sigaddset(&set, number);
  return set;
}

struct sigaction counting() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_mask = signal_set();  // one at a time: counts are read and written
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  return action;
}

struct sigaction nothing() {
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  return action;
}

}  // namespace

void StopSignals::listen() {
  if (listening != 0) return;
  listening = 1;
  has_terminal = ::isatty(STDERR_FILENO);
  const auto counted = counting();
  for (std::size_t i = 0; i < kSignals; ++i) {
    ::sigaction(kNumbers[i], nullptr, &before[i]);
    if (kNumbers[i] == SIGHUP && before[i].sa_handler == SIG_IGN) continue;
    ::sigaction(kNumbers[i], &counted, nullptr);
  }
  const auto ignored = nothing();
  ::sigaction(SIGPIPE, &ignored, &pipe_before);
  unblock();
}

void StopSignals::let_go() {
  listening = 0;
  for (std::size_t i = 0; i < kSignals; ++i) ::sigaction(kNumbers[i], &before[i], nullptr);
  ::sigaction(SIGPIPE, &pipe_before, nullptr);
  if (first >= 0) ::raise(kNumbers[static_cast<std::size_t>(first)]);
}

void StopSignals::ignore() {
  const auto ignored = nothing();
  for (const int number : kNumbers) ::sigaction(number, &ignored, nullptr);
}

void StopSignals::block() {
  const auto set = signal_set();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void StopSignals::unblock() {
  const auto set = signal_set();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignals::count_interrupts() { second_interrupt_ends = 0; }

void StopSignals::end_if_received(const std::string& when) {
  if (first >= 0) throw Error(ExitCode::kStopped, cat("stopped on ", received(), " ", when));
}

std::string StopSignals::received() { return first < 0 ? "" : kNames[static_cast<std::size_t>(first)]; }

int StopSignals::count(std::size_t index) { return counts[index]; }

}  // namespace ingot
