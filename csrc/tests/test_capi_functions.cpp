// Schedules that are C functions: their failures, and calls that they must not make.
#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "capi.hpp"

using namespace pyoptim::test;

namespace {

/// An optimizer with a schedule from a function without state.
struct Scheduled : Fixture {
  pyoptim_schedule* schedule = nullptr;

  explicit Scheduled(pyoptim_function function, void* context = nullptr) {
    REQUIRE(pyoptim_schedule_of(function, context, nullptr, &schedule) == PYOPTIM_OK);
  }
  ~Scheduled() { pyoptim_schedule_destroy(schedule); }

  pyoptim_status follow() { return pyoptim_set_schedule(opt, 0, "lr", schedule); }
};

pyoptim_status fail_from_1(void* /*context*/, std::int64_t step, double* value) {
  *value = 0.5;
  return step < 1 ? PYOPTIM_OK : pyoptim_fail(PYOPTIM_ERROR_STATE, "the file of rates is gone");
}

}  // namespace

TEST_CASE("a function fails with its status and message, and nothing is changed") {
  Scheduled f(fail_from_1);
  REQUIRE(f.follow() == PYOPTIM_OK);
  REQUIRE(f.step() == PYOPTIM_OK);
  const std::vector<float> before = f.w;
  for (int i = 0; i < 2; ++i)
    check_failed(f.step(), PYOPTIM_ERROR_STATE, "the file of rates is gone");
  CHECK(f.w == before);
  std::int64_t steps = 0;
  REQUIRE(pyoptim_get_steps(f.opt, &steps) == PYOPTIM_OK);
  CHECK(steps == 1);
  double value = 0;
  check_failed(pyoptim_schedule_value(f.schedule, 3, &value), PYOPTIM_ERROR_STATE, "is gone");
  REQUIRE(pyoptim_set(f.opt, 0, "lr", 1) == PYOPTIM_OK);
  CHECK(f.step() == PYOPTIM_OK);
}

TEST_CASE("a failure needs no message, and a value that is not set is refused") {
  const auto silent = [](void*, std::int64_t, double*) { return pyoptim_status{17}; };
  Scheduled f(silent);
  check_failed(f.follow(), 17, "the function of the schedule failed with status 17 at step 0");
  const auto unset = [](void*, std::int64_t, double*) { return pyoptim_status{PYOPTIM_OK}; };
  Scheduled g(unset);
  check_argument(g.follow(), "lr must be at least 0 and finite, got nan");
  const auto no_status = [](void*, std::int64_t, double*) { return pyoptim_fail(0, nullptr); };
  Scheduled h(no_status);
  check_failed(h.follow(), PYOPTIM_ERROR_FUNCTION, "no message");
  const auto throws = [](void*, std::int64_t, double*) -> pyoptim_status {
    throw std::out_of_range("no more rates");
  };
  Scheduled i(throws);
  check_failed(i.follow(), PYOPTIM_ERROR_FUNCTION, "no more rates");
}

TEST_CASE("a function may use another optimizer, whose failure it may return") {
  Fixture other;
  const auto use = [](void* context, std::int64_t step, double* value) {
    auto& optimizer = *static_cast<Fixture*>(context);
    *value = 0.5;
    CHECK(pyoptim_set(optimizer.opt, 0, "lr", -1) != PYOPTIM_OK);  // examined and done
    return step == 0 ? optimizer.step() : pyoptim_set(optimizer.opt, 0, "momentum", -2);
  };
  Scheduled f(use, &other);
  REQUIRE(f.follow() == PYOPTIM_OK);
  CHECK(other.w[0] != 1);
  REQUIRE(f.step() == PYOPTIM_OK);
  check_argument(f.step(), "momentum must be");
}

TEST_CASE("a schedule must not use its own optimizer, or ask itself") {
  const auto use = [](void* context, std::int64_t step, double* value) {
    auto* const f = static_cast<Fixture*>(context);
    *value = 0.5;
    return step == 0 ? pyoptim_status{PYOPTIM_OK} : f->step();
  };
  Fixture own;
  pyoptim_schedule* schedule = nullptr;
  REQUIRE(pyoptim_schedule_of(use, &own, nullptr, &schedule) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_schedule(own.opt, 0, "lr", schedule) == PYOPTIM_OK);
  pyoptim_schedule_destroy(schedule);
  REQUIRE(own.step() == PYOPTIM_OK);
  check_failed(own.step(), PYOPTIM_ERROR_STATE, "its own schedule must not use it");

  static pyoptim_schedule *itself, *sum;
  const auto ask = [](void*, std::int64_t step, double* value) {
    return pyoptim_schedule_value(sum == nullptr ? itself : sum, step, value);
  };
  REQUIRE(pyoptim_schedule_of(ask, nullptr, nullptr, &itself) == PYOPTIM_OK);
  double value = 0;
  check_failed(pyoptim_schedule_value(itself, 0, &value), PYOPTIM_ERROR_STATE, "must not ask it");
  const pyoptim_argument parts{"schedules", 0, nullptr, nullptr, &itself, 1};
  REQUIRE(pyoptim_schedule_create("chain", &parts, 1, &sum) == PYOPTIM_OK);
  check_failed(pyoptim_schedule_value(sum, 0, &value), PYOPTIM_ERROR_STATE, "must not ask it");
  pyoptim_schedule_destroy(sum);
  pyoptim_schedule_destroy(itself);
}

namespace {

std::atomic<int> released = 0;

pyoptim_status fail_with_cause(void* context, std::int64_t step, double* value) {
  *value = 1;
  if (step == 0) return PYOPTIM_OK;
  return pyoptim_fail_with(PYOPTIM_ERROR_FUNCTION, "see the cause", "int *", context,
                           [](void*) { ++released; });
}

}  // namespace

TEST_CASE("a cause is of the call that failed of it, and is taken once") {
  int cause = 0;
  released = 0;
  {
    Scheduled f(fail_with_cause, &cause);
    REQUIRE(f.follow() == PYOPTIM_OK);
    REQUIRE(f.step() == PYOPTIM_OK);
    CHECK(pyoptim_take_cause("int *") == nullptr);
    check_failed(f.step(), PYOPTIM_ERROR_FUNCTION, "see the cause");
    CHECK(pyoptim_take_cause("float *") == nullptr);
    CHECK(pyoptim_take_cause(nullptr) == nullptr);
    CHECK(pyoptim_take_cause("int *") == &cause);
    CHECK(pyoptim_take_cause("int *") == nullptr);
    CHECK(released == 0);

    // A cause that is not taken is released with the next failure, and with the schedule.
    check_failed(f.step(), PYOPTIM_ERROR_FUNCTION, "see the cause");
    check_argument(pyoptim_set(f.opt, 0, "lr", -1), "lr must be");
    CHECK(pyoptim_take_cause("int *") == nullptr);
    std::thread([&] { check_failed(f.step(), PYOPTIM_ERROR_FUNCTION, "see the cause"); }).join();
    CHECK(pyoptim_take_cause("int *") == nullptr);  // it belongs to another thread
  }
  CHECK(released == 2);
  // Outside of a function there is no call that could fail.
  CHECK(pyoptim_fail_with(PYOPTIM_ERROR_STATE, "x", "int *", &cause, [](void*) { ++released; }) ==
        PYOPTIM_ERROR_STATE);
  CHECK(released == 3);
  CHECK(pyoptim_take_cause("int *") == nullptr);
}

TEST_CASE("a long message is cut between characters") {
  const std::string text(1021, 'x');
  CHECK(pyoptim_fail(PYOPTIM_ERROR_STATE, (text + "\u00e4\u00e4").c_str()) == PYOPTIM_ERROR_STATE);
  CHECK(std::string(pyoptim_last_error()) == text + "\u00e4");
  CHECK(pyoptim_fail(PYOPTIM_ERROR_STATE, ("x" + text + "\u00e4").c_str()) == PYOPTIM_ERROR_STATE);
  CHECK(std::string(pyoptim_last_error()) == "x" + text);
}

TEST_CASE("counts and seeds are exact, or refused") {
  Fixture f("SGD", false);
  CHECK(pyoptim_set_option(f.opt, "seed", 0x1p53 - 1) == PYOPTIM_OK);
  check_argument(pyoptim_set_option(f.opt, "seed", 0x1p53),
                 "got 9007199254740992; larger ones go to pyoptim_set_option_count");
  check_argument(pyoptim_set_option(f.opt, "seed", -1), "seed must be a whole number from 0");
  check_argument(pyoptim_set_option(f.opt, "seed", 0.5), "got 0.5");
  for (const std::uint64_t seed :
       {std::uint64_t{0}, (std::uint64_t{1} << 53) + 1, ~std::uint64_t{0}})
    CHECK(pyoptim_set_option_count(f.opt, "seed", seed) == PYOPTIM_OK);
  CHECK(pyoptim_set_option_count(f.opt, "num_threads", 2) == PYOPTIM_OK);
  check_argument(pyoptim_set_option_count(f.opt, "num_threads", (std::uint64_t{1} << 32) + 1),
                 "num_threads must be a whole number from 0 to 512, got 4294967297");
  check_argument(pyoptim_set_option_count(f.opt, "clip_norm", 1), "there are num_threads, seed");
  REQUIRE(pyoptim_build(f.opt) == PYOPTIM_OK);
  constexpr std::int64_t max = std::int64_t{1} << 53;
  CHECK(pyoptim_set_steps(f.opt, max) == PYOPTIM_OK);
  check_argument(pyoptim_set_steps(f.opt, max + 1), "at most 2^53, got 9007199254740993");
  pyoptim_argument arguments[] = {{"lr", 1, nullptr, nullptr, nullptr, 0},
                                  {"steps", 0x1p53 - 1, nullptr, nullptr, nullptr, 0}};
  pyoptim_schedule* result = nullptr;
  REQUIRE(pyoptim_schedule_create("linear", arguments, 2, &result) == PYOPTIM_OK);
  double value = 0;
  CHECK(pyoptim_schedule_value(result, max, &value) == PYOPTIM_OK);
  check_argument(pyoptim_schedule_value(result, max + 1, &value), "the step must be at least 0");
  pyoptim_schedule_destroy(result);
  arguments[1].number = 0x1p53;
  check_argument(
      pyoptim_schedule_create("linear", arguments, 2, &result),
      "linear: steps must be a whole number below 9007199254740992, got 9007199254740992");
}

TEST_CASE("eval mode is reported") {
  Fixture f("ScheduleFreeSGD");
  std::int32_t evaluating = 2;
  REQUIRE(pyoptim_evaluating(f.opt, &evaluating) == PYOPTIM_OK);
  CHECK(evaluating == 0);
  REQUIRE(pyoptim_eval(f.opt) == PYOPTIM_OK);
  REQUIRE(pyoptim_evaluating(f.opt, &evaluating) == PYOPTIM_OK);
  CHECK(evaluating == 1);
  check_argument(pyoptim_evaluating(f.opt, nullptr), "evaluating is NULL");
}
