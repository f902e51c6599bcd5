#include "base/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.h"

namespace ingot {
namespace {

constexpr auto kOk = 0;

/// In a process of its own, since handlers are the process's.
template <class Body>
void in_a_child(Body body, int exit_code) {
  EXPECT_EXIT(
      {
        body();
        ::_exit(::testing::Test::HasFailure() ? 1 : kOk);
      },
      ::testing::ExitedWithCode(exit_code), "");
}

TEST(StopSignalsDeathTest, AreCountedHoweverOftenTheyCome) {
  in_a_child(
      [] {
        ::signal(SIGHUP, SIG_DFL);
        StopSignals::listen();
        if (!StopSignals::received().empty()) ::_exit(2);
        for (int i = 0; i < 3; ++i) ::raise(SIGHUP);
        ::raise(SIGTERM);
        ::raise(SIGUSR1);
        ::raise(SIGINT);
        if (StopSignals::received() != "SIGHUP" || StopSignals::count(3) != 3 || StopSignals::count(0) != 1) ::_exit(3);
        try {
          StopSignals::end_if_received("while testing");
          ::_exit(4);
        } catch (const Error& error) {
          if (error.code() != ExitCode::kStopped) ::_exit(5);
        }
      },
      kOk);
}

TEST(StopSignalsDeathTest, ASecondInterruptEndsAtOnce) {
  const auto interrupted_twice = [] {
    ::raise(SIGINT);
    ::raise(SIGINT);
  };
  in_a_child(
      [&] {
        StopSignals::listen();
        interrupted_twice();
      },
      130);
  in_a_child(
      [&] {
        StopSignals::listen();
        StopSignals::count_interrupts();
        interrupted_twice();
        if (StopSignals::count(1) != 2) ::_exit(2);
      },
      kOk);
}

TEST(StopSignalsDeathTest, AHangupThatNohupIgnoredStaysIgnored) {
  in_a_child(
      [] {
        ::signal(SIGHUP, SIG_IGN);
        StopSignals::listen();
        ::raise(SIGHUP);
        if (!StopSignals::received().empty()) ::_exit(2);
      },
      kOk);
}

TEST(StopSignalsDeathTest, WhatWasBlockedArrives) {
  in_a_child(
      [] {
        StopSignals::block();
        ::raise(SIGTERM);
        StopSignals::listen();
        if (StopSignals::received() != "SIGTERM") ::_exit(2);
      },
      kOk);
}

TEST(StopSignalsDeathTest, LettingGoActsOnWhatCame) {
  EXPECT_EXIT(
      {
        StopSignals::listen();
        ::raise(SIGTERM);
        StopSignals::let_go();
        ::_exit(kOk);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

TEST(StopSignalsDeathTest, AfterTheEndNothingCounts) {
  in_a_child(
      [] {
        StopSignals::listen();
        StopSignals::ignore();
        for (const int number : StopSignals::kNumbers) ::raise(number);
        for (const int number : StopSignals::kNumbers) ::raise(number);
      },
      kOk);
}

TEST(StopSignalsDeathTest, AClosedReaderIsAnErrorOfTheWriteAlone) {
  in_a_child(
      [] {
        StopSignals::listen();
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(2);
        ::close(ends[0]);
        if (::write(ends[1], "x", 1) != -1) ::_exit(3);
      },
      kOk);
}

}  // namespace
}  // namespace ingot
