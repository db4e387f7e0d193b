// Schedules of the C interface: errors, lifetimes, and atomic changes.
#include <cmath>
#include <limits>

#include "capi.hpp"

using namespace pyoptim::test;

TEST_CASE("schedules of a group move together") {
  // Each of these bounds passes the value of the other at step 0.
  const auto line = [](double from, double to) {
    const pyoptim_argument arguments[] = {{"lr", from, nullptr, nullptr, nullptr, 0},
                                          {"steps", 10, nullptr, nullptr, nullptr, 0},
                                          {"end", to, nullptr, nullptr, nullptr, 0}};
    pyoptim_schedule* result = nullptr;
    REQUIRE(pyoptim_schedule_create("linear", arguments, 3, &result) == PYOPTIM_OK);
    return result;
  };
  pyoptim_schedule *low = line(1e-3, 10), *high = line(5e-3, 50), *falling = line(1, 0);
  Fixture f("Rprop");
  pyoptim_argument both[] = {{"step_size_min", 0, nullptr, nullptr, &low, 1},
                             {"step_size_max", 0, nullptr, nullptr, &high, 1}};
  REQUIRE(pyoptim_set_steps(f.opt, 10) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_schedules(f.opt, 0, both, 2) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_steps(f.opt, 0) == PYOPTIM_OK);
  double value = 0;
  for (int i = 0; i < 11; ++i) REQUIRE(f.step() == PYOPTIM_OK);
  REQUIRE(pyoptim_get(f.opt, 0, "step_size_min", &value) == PYOPTIM_OK);
  CHECK(value == 10);
  REQUIRE(pyoptim_get(f.opt, 0, "step_size_max", &value) == PYOPTIM_OK);
  CHECK(value == 50);

  // A schedule that fails, or a value that is rejected, changes nothing.
  both[1].schedules = &falling;
  check_argument(pyoptim_set_schedules(f.opt, 0, both, 2), "Rprop: ");
  both[1].name = "step_size_min";
  check_argument(pyoptim_set_schedules(f.opt, 0, both, 2), "step_size_min is given twice");
  both[1] = {"lr", 0, nullptr, nullptr, &low, 2};
  check_argument(pyoptim_set_schedules(f.opt, 0, both, 2), "lr must be a number or one schedule");
  both[1] = {"lr", 0, "fast", nullptr, nullptr, 0};
  check_argument(pyoptim_set_schedules(f.opt, 0, both, 2), "settings are numbers or schedules");
  check_argument(pyoptim_set_schedules(f.opt, 0, nullptr, 2), "settings is NULL");
  REQUIRE(pyoptim_get(f.opt, 0, "step_size_max", &value) == PYOPTIM_OK);
  CHECK(value == 50);
  for (pyoptim_schedule* result : {low, high, falling}) pyoptim_schedule_destroy(result);
}

TEST_CASE("a step whose schedules are refused changes no setting of any group") {
  std::vector<float> a(3), b(3);
  const std::size_t shape[] = {3};
  pyoptim_optimizer* opt = nullptr;
  REQUIRE(pyoptim_create("SGD", nullptr, 0, &opt) == PYOPTIM_OK);
  for (std::vector<float>* w : {&a, &b}) {
    REQUIRE(pyoptim_add_group(opt, nullptr, 0) == PYOPTIM_OK);
    REQUIRE(pyoptim_add_buffer(opt, nullptr, PYOPTIM_FLOAT32, w->data(), 1, shape) == PYOPTIM_OK);
  }
  REQUIRE(pyoptim_build(opt) == PYOPTIM_OK);
  static int calls;
  calls = 0;
  const auto good = [](void*, std::int64_t step, double* value) {
    ++calls;
    *value = double(1 + step);
    return pyoptim_status(PYOPTIM_OK);
  };
  const auto bad = [](void*, std::int64_t step, double* value) {
    *value = step == 0 ? 1.0 : std::nan("");
    return pyoptim_status(PYOPTIM_OK);
  };
  pyoptim_schedule *rises = nullptr, *fails = nullptr;
  REQUIRE(pyoptim_schedule_of(good, nullptr, nullptr, &rises) == PYOPTIM_OK);
  REQUIRE(pyoptim_schedule_of(bad, nullptr, nullptr, &fails) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_schedule(opt, 0, "lr", rises) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_schedule(opt, 0, "weight_decay", rises) == PYOPTIM_OK);
  REQUIRE(pyoptim_set_schedule(opt, 1, "lr", fails) == PYOPTIM_OK);
  const void* none[] = {nullptr, nullptr};
  REQUIRE(pyoptim_step(opt, none, 1, nullptr) == PYOPTIM_OK);
  CHECK(calls == 1);  // once for a step, for all hyperparameters that follow it
  check_argument(pyoptim_step(opt, none, 1, nullptr), "lr must be");
  check_argument(pyoptim_step(opt, none, 1, nullptr), "lr must be");
  CHECK(calls == 2);
  double value = 0;
  REQUIRE(pyoptim_get(opt, 0, "lr", &value) == PYOPTIM_OK);
  CHECK(value == 1);
  pyoptim_schedule_destroy(rises);
  pyoptim_schedule_destroy(fails);
  pyoptim_destroy(opt);
}

TEST_CASE("schedules are checked") {
  pyoptim_schedule* result = nullptr;
  pyoptim_argument lr{"lr", 0.1, nullptr, nullptr, nullptr, 0};
  pyoptim_argument arguments[] = {lr, {"steps", 0, nullptr, nullptr, nullptr, 0}};
  check_argument(pyoptim_schedule_create("cosin", nullptr, 0, &result),
                 "there are constant, linear");
  check_argument(pyoptim_schedule_create("cosine", &lr, 1, &result), "argument steps is missing");
  check_argument(pyoptim_schedule_create("cosine", arguments, 2, &result),
                 "cosine: steps must be a whole number of at least 1, got 0");
  check_argument(pyoptim_schedule_create("constant", nullptr, 1, &result), "arguments is NULL");
  arguments[1] = {"end", 0, nullptr, nullptr, nullptr, 0};
  check_argument(pyoptim_schedule_create("constant", arguments, 2, &result),
                 "no argument 'end'; it has lr");
  arguments[1] = lr;
  check_argument(pyoptim_schedule_create("constant", arguments, 2, &result), "lr is given twice");
  const pyoptim_schedule* const none[] = {nullptr};
  arguments[0] = {"then", 0, nullptr, nullptr, none, 1};
  check_argument(pyoptim_schedule_create("warmup", arguments, 1, &result), "then is NULL");
  lr.word = "large";
  check_argument(pyoptim_schedule_create("constant", &lr, 1, &result), "lr must be a number");
  CHECK(result == nullptr);
  CHECK(pyoptim_schedule_name(pyoptim_schedule_count()) == nullptr);
  check_argument(pyoptim_schedule_of(nullptr, nullptr, nullptr, &result), "the function is NULL");
}

TEST_CASE("a schedule lives as long as something uses it, and its errors leave all as it was") {
  static int released;
  released = 0;
  pyoptim_schedule* schedule = nullptr;
  const auto value = [](void* context, std::int64_t step, double* to) {
    *to = step < 2 ? *static_cast<double*>(context) : -1.0;
    return pyoptim_status(PYOPTIM_OK);
  };
  double rate = 0.25;
  REQUIRE(pyoptim_schedule_of(
              value, &rate, [](void*) { ++released; }, &schedule) == PYOPTIM_OK);
  {
    Fixture f;
    check_argument(pyoptim_set_schedule(f.opt, 0, "maximize", schedule), "has no schedule");
    check_argument(pyoptim_set_schedule(f.opt, 0, "speed", schedule), "no setting 'speed'");
    check_argument(pyoptim_set_schedule(f.opt, 0, "lr", nullptr), "the schedule is NULL");
    REQUIRE(pyoptim_set_schedule(f.opt, 0, "lr", schedule) == PYOPTIM_OK);
    pyoptim_schedule_destroy(schedule);
    CHECK(released == 0);
    REQUIRE(f.step() == PYOPTIM_OK);
    CHECK(f.w[0] == 0.75F);
    REQUIRE(f.step() == PYOPTIM_OK);
    const std::vector<float> before = f.w;
    check_argument(f.step(), "lr must be at least 0");
    CHECK(f.w == before);
    REQUIRE(pyoptim_set(f.opt, 0, "lr", 1) == PYOPTIM_OK);  // ends the schedule
    CHECK(released == 1);
    CHECK(f.step() == PYOPTIM_OK);
  }
  CHECK(released == 1);
}
