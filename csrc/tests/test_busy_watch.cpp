// Short work stays serial for a while after threads had to wait for a processor.
#include <doctest.h>

#include "core/threads.hpp"

using pyoptim::BusyWatch;
using pyoptim::Team;

TEST_CASE("a region that took much too long makes the next ones serial, ever longer") {
  BusyWatch watch;
  CHECK(!watch.is_busy(0));
  watch.report(40'000, 8e-3, 100.0);
  CHECK(watch.is_busy(100.04));
  CHECK(!watch.is_busy(100.06));
  watch.report(40'000, 8e-3, 100.06);
  CHECK(watch.is_busy(100.15));
  CHECK(!watch.is_busy(100.17));
  for (int i = 0; i < 20; ++i) watch.report(40'000, 8e-3, 200.0);
  CHECK(watch.is_busy(201.5));
  CHECK(!watch.is_busy(201.7));
}

TEST_CASE("a region in good time ends the doubling") {
  BusyWatch watch;
  for (int i = 0; i < 20; ++i) watch.report(40'000, 8e-3, 200.0);
  watch.report(40'000, 20e-6, 202.0);
  watch.report(40'000, 8e-3, 203.0);
  CHECK(watch.is_busy(203.04));
  CHECK(!watch.is_busy(203.06));
}

TEST_CASE("slow work on many elements is no sign of a busy machine") {
  BusyWatch watch;
  watch.report(1'000'000, 4e-3, 1.0);
  CHECK(!watch.is_busy(1.0));
}

TEST_CASE("a requested number of threads is used") {
  for (int i = 0; i < 3; ++i) {
    const Team team(1 << 16, 4);
    CHECK(team.threads() == 4);
  }
  CHECK(Team(100, 4).threads() == 1);
}
