// A forked child makes correct serial steps, because OpenMP's threads do not survive a fork.
#include <doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/threads.hpp"
#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

constexpr std::size_t size = 2 * serial_below;

/// An optimizer with its parameters and gradients.
struct Training {
  Array param = random_array(DType::float32, size, 1);
  Array grad = random_array(DType::float32, size, 2);
  Optimizer optimizer{"Adam", {{{}, {{"p", param.at(0), size, DType::float32}}}}, {.threads = 4}};

  void step() {
    const void* grads[] = {grad.at(0)};
    optimizer.step(grads);
  }
};

/// The result of check() in a forked child, 0 if correct. A child that hangs is killed.
template <class Check>
int in_child(const Check& check) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(check());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a forked child steps serially and right, the parent goes on in parallel") {
  Training undisturbed;
  for (int step = 0; step < 4; ++step) undisturbed.step();

  Training run;
  run.step();  // starts OpenMP's threads
  const auto go_on = [&] {
    if (!in_forked_child() || threads_for(size, 4) != 1) return 1;
    for (int step = 0; step < 3; ++step) run.step();
    if (difference(run.param, undisturbed.param) != "") return 2;
    Training fresh;  // allocates and first touches memory
    for (int step = 0; step < 4; ++step) fresh.step();
    return difference(fresh.param, undisturbed.param) == "" ? 0 : 3;
  };
  CHECK(in_child(go_on) == 0);
  CHECK(in_child([&] { return in_child(go_on); }) == 0);

  CHECK_FALSE(in_forked_child());
  CHECK(threads_for(size, 4) == 4);
  for (int step = 0; step < 3; ++step) run.step();
  CHECK(difference(run.param, undisturbed.param) == "");
}
