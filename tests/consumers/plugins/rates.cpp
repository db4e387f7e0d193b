// A library with hidden visibility whose schedule throws: a type of the standard library, then one
// of its own.
#include <cstdint>
#include <stdexcept>

#include "pyoptim/pyoptim.hpp"

#define SHOWN extern "C" __attribute__((visibility("default")))

namespace {

struct NoRate : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

SHOWN pyoptim::Schedule* new_rate() {
  return new pyoptim::Schedule([](std::int64_t step) {
    if (step == 1) throw std::out_of_range("no rate for step 1");
    if (step == 2) throw NoRate("no rate for step 2");
    return 0.5;
  });
}

SHOWN void delete_rate(pyoptim::Schedule* rate) { delete rate; }

/// A call that succeeds, and must not throw what another one failed of.
SHOWN void unrelated() { pyoptim::set_num_threads(pyoptim::get_num_threads()); }
