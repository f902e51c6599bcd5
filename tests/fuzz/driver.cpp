// Drives a fuzz target without libFuzzer: damages its seeds, the same ways for the same --seed.

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "fuzz/fuzz.h"
#include "fuzz/mutate.h"

// Of the sanitizers' run time: called before they end the process.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace {

using namespace ingot;

// For one input: of processor time, and in all, for one that waits.
constexpr unsigned kMostSeconds = 20, kMostWaiting = 300;
constexpr std::size_t kMostKept = 300;
constexpr std::uint64_t kKeepsOnceIn = 20;

constexpr const char* kUsage =
    "usage: %s [--runs N] [--seed N] [--write-seeds FOLDER] [FILE...]\n\n"
    "Feeds the seeds and N damaged inputs (default 1000) to the target, or the files. Ends with 1 and keeps the input "
    "in\n"
    "./crash-NAME if the target crashes, breaks a promise or takes 20 s. --write-seeds writes a corpus "
    "for\n"
    "libFuzzer instead.\n";

std::string current;     // the input that is being read
std::string crash_file;  // where it goes if it is the last one

/// From a signal handler: system calls only.
void keep_input() {
  const int file = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  const ssize_t put = ::write(file, current.data(), current.size());
  ::close(file);
  constexpr char kSaid[] = "the input was kept in ";
  if (put < 0 || ::write(2, kSaid, sizeof kSaid - 1) < 0 || ::write(2, crash_file.data(), crash_file.size()) < 0 ||
      ::write(2, "\n", 1) < 0) {
    return;
  }
}

void on_signal(int number) {
  keep_input();
  if (number == SIGALRM || number == SIGPROF) {
    constexpr char kSlow[] = "it takes too long\n";
    if (::write(2, kSlow, sizeof kSlow - 1) < 0) ::_exit(1);
    ::_exit(1);
  }
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void watch_for_crashes() {
  ::signal(SIGALRM, on_signal);
  ::signal(SIGPROF, on_signal);
  ::signal(SIGABRT, on_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(keep_input);
    return;
  }
  // On a stack of its own: an overrun leaves none.
  static char stack[1 << 16];
  stack_t own{};
  own.ss_sp = stack;
  own.ss_size = sizeof stack;
  ::sigaltstack(&own, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::sigaction(number, &action, nullptr);
}

void limit_time(unsigned seconds, unsigned waiting) {
  const itimerval limit{{0, 0}, {static_cast<time_t>(seconds), 0}};
  ::setitimer(ITIMER_PROF, &limit, nullptr);
  ::alarm(waiting);
}

void feed(std::string input) {
  current = std::move(input);
  limit_time(kMostSeconds, kMostWaiting);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(current.data()), current.size());
  limit_time(0, 0);
}

void feed_damaged(std::uint64_t runs, std::uint64_t seed) {
  std::vector<std::string> kept = fuzz::seeds();
  const std::vector<std::string> words = fuzz::words();
  const std::size_t seeds = kept.size();
  for (const std::string& input : kept) feed(input);
  RandomStream random(seed, "fuzz");
  for (std::uint64_t run = 0; run < runs; ++run) {
    std::string input = fuzz::mutate(kept[random.below(kept.size())], kept, words, random);
    feed(input);
    // Damage on damage gets further.
    if (random.below(kKeepsOnceIn) != 0 || input.size() > (1 << 16)) continue;
    if (kept.size() < seeds + kMostKept) {
      kept.push_back(std::move(input));
    } else {
      kept[seeds + random.below(kMostKept)] = std::move(input);
    }
  }
}

int write_seeds(const fs::path& folder) {
  fs::create_directories(folder);
  int number = 0;
  for (const std::string& seed : fuzz::seeds()) write_file_atomic(folder / ("seed-" + std::to_string(number++)), seed);
  return 0;
}

int run(int count, char** words) {
  std::uint64_t runs = 1000, seed = 1;
  std::vector<fs::path> files;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const bool has_value = i + 1 < count;
    if (word == "--runs" && has_value) {
      runs = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--seed" && has_value) {
      seed = std::strtoull(words[++i], nullptr, 10);
    } else if (word == "--write-seeds" && has_value) {
      return write_seeds(words[++i]);
    } else if (word.starts_with("--")) {
      std::fprintf(stderr, kUsage, words[0]);
      return 2;
    } else {
      files.emplace_back(word);
    }
  }
  watch_for_crashes();
  for (const fs::path& file : files) feed(read_file(file));
  if (files.empty()) feed_damaged(runs, seed);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  crash_file = "crash-" + fs::path(words[0]).filename().string();
  try {
    return run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    if (!current.empty()) keep_input();
    return 1;
  }
}
