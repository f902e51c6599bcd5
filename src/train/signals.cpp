#include "train/signals.h"

#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

namespace ingot {
namespace {

// Only what a handler may touch.
volatile std::sig_atomic_t received_signal = 0;
volatile std::sig_atomic_t interrupts = 0;

constexpr std::array<std::pair<int, const char*>, 3> kSignals{
    {{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}}};

void handle(int signal) {
  if (signal == SIGINT) {
    interrupts = interrupts + 1;
    if (interrupts >= 2) _exit(130);
  }
  received_signal = signal;
}

void set_handlers(void (*handler)(int)) {
  for (const auto& [signal, name] : kSignals) {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
  }
}

}  // namespace

StopSignals::StopSignals() {
  received_signal = 0;
  interrupts = 0;
  set_handlers(handle);
}

StopSignals::~StopSignals() { set_handlers(SIG_DFL); }

std::string StopSignals::received() {
  for (const auto& [signal, name] : kSignals) {
    if (received_signal == signal) return name;
  }
  return "";
}

fs::path stop_file(const fs::path& run_dir) { return run_dir / "STOP"; }

}  // namespace ingot
