// Helpers of the tests of the C interface.
#pragma once

#include <doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "pyoptim/pyoptim.h"

namespace pyoptim::test {

/// An optimizer over one array, built by default.
struct Fixture {
  std::vector<float> w = {1, 2, 3, 4, 5, 6};
  std::vector<float> grad = {1, -1, 1, -1, 1, -1};
  pyoptim_optimizer* opt = nullptr;

  explicit Fixture(const char* rule = "SGD", bool build = true,
                   std::vector<pyoptim_setting> settings = {}) {
    const std::size_t shape[] = {3, 2};
    REQUIRE(pyoptim_create(rule, settings.data(), settings.size(), &opt) == PYOPTIM_OK);
    REQUIRE(pyoptim_add_buffer(opt, "w", PYOPTIM_FLOAT32, w.data(), 2, shape) == PYOPTIM_OK);
    if (build) REQUIRE(pyoptim_build(opt) == PYOPTIM_OK);
  }
  ~Fixture() { pyoptim_destroy(opt); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  pyoptim_status step() {
    const void* grads[] = {grad.data()};
    return pyoptim_step(opt, grads, 1, nullptr);
  }
};

/// Checks that a call failed with this status and a message with these words.
inline void check_failed(pyoptim_status got, pyoptim_status expected, const char* words) {
  const std::string message = pyoptim_last_error();
  CAPTURE(message);
  CHECK(got == expected);
  CHECK(message.find(words) != std::string::npos);
}

inline void check_argument(pyoptim_status got, const char* words) {
  check_failed(got, PYOPTIM_ERROR_ARGUMENT, words);
}

}  // namespace pyoptim::test
