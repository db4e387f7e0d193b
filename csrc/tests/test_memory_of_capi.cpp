// Calls of the C interface without memory: PYOPTIM_ERROR_MEMORY, nothing changed, and the same call
// works later.
#include <string>

#include "capi.hpp"
#include "failing_memory.hpp"

using namespace pyoptim::test;

namespace {

/// Repeats a call until it succeeds. Every failure is a lack of memory.
template <class Call, class Unchanged>
void check(const Call& call, const Unchanged& unchanged) {
  const long before = failed_allocations;
  exhaust(
      [&] {
        const pyoptim_status status = call();
        const long left = allocations_left.exchange(-1);
        if (status == PYOPTIM_ERROR_MEMORY) throw std::bad_alloc();
        allocations_left = left;
        if (status != PYOPTIM_OK) FAIL(pyoptim_last_error());
      },
      [&] {
        CHECK(std::string(pyoptim_last_error()) == "out of memory");
        unchanged();
      });
  CHECK(failed_allocations > before);
}

std::size_t buffers(pyoptim_optimizer* opt) {
  std::size_t count = 0;
  REQUIRE(pyoptim_buffer_count(opt, &count) == PYOPTIM_OK);
  return count;
}

}  // namespace

TEST_CASE("an optimizer of C, from its description to its steps") {
  std::vector<float> w(3000, 1), v(50, 2), grads(3000, 0.5);
  const std::vector<float> start = w;
  pyoptim_optimizer* opt = nullptr;
  const pyoptim_setting settings[] = {{"lr", 0.1}, {"weight_decay", 0.01}};
  check([&] { return pyoptim_create("Adam", settings, 2, &opt); }, [&] { CHECK(opt == nullptr); });
  check([&] { return pyoptim_add_group(opt, settings, 1); }, [&] { CHECK(buffers(opt) == 0); });
  const std::size_t shape[] = {60, 50}, short_shape[] = {50};
  check(
      [&] {
        return pyoptim_add_buffer(opt, "a name that takes memory of its own, and then some",
                                  PYOPTIM_FLOAT32, w.data(), 2, shape);
      },
      [&] { CHECK(buffers(opt) == 0); });
  check([&] { return pyoptim_add_buffer(opt, nullptr, PYOPTIM_FLOAT32, v.data(), 1, short_shape); },
        [&] { CHECK(buffers(opt) == 1); });
  check([&] { return pyoptim_build(opt); }, [&] { CHECK(w == start); });

  const void* const pointers[] = {grads.data(), nullptr};
  std::vector<float> before = w;
  pyoptim_step_info info{};
  info.struct_size = sizeof info;
  check([&] { return pyoptim_step(opt, pointers, 1, &info); }, [&] { CHECK(w == before); });
  CHECK(info.step == 1);
  CHECK(w != before);

  before = w;
  const std::int64_t rows[] = {7, 2, 7};
  pyoptim_gradient by_rows[2] = {};
  by_rows[0].values = grads.data();
  by_rows[0].rows = rows;
  by_rows[0].row_count = 3;
  check([&] { return pyoptim_step_rows(opt, by_rows, 1, &info); }, [&] { CHECK(w == before); });
  CHECK(info.step == 2);
  CHECK(w != before);
  pyoptim_destroy(opt);
}

TEST_CASE("schedules of C") {
  const pyoptim_argument arguments[] = {{"lr", 0.5, nullptr, nullptr, nullptr, 0},
                                        {"steps", 10, nullptr, nullptr, nullptr, 0}};
  pyoptim_schedule* result = nullptr;
  check([&] { return pyoptim_schedule_create("linear", arguments, 2, &result); },
        [&] { CHECK(result == nullptr); });
  Fixture f;
  const pyoptim_argument lr[] = {{"lr", 0, nullptr, nullptr, &result, 1}};
  double value = 0;
  check([&] { return pyoptim_set_schedules(f.opt, 0, lr, 1); },
        [&] {
          REQUIRE(pyoptim_get(f.opt, 0, "lr", &value) == PYOPTIM_OK);
          CHECK(value != 0.5);
        });
  const std::vector<float> before = f.w;
  check([&] { return f.step(); }, [&] { CHECK(f.w == before); });
  CHECK(f.w[0] == before[0] - 0.5F);
  pyoptim_schedule_destroy(result);
}
