#include "core/check_range.hpp"

#include <cmath>
#include <stdexcept>

#include "core/text.hpp"

namespace pyoptim {

std::string describe(const Range& range) {
  constexpr double unlimited = HUGE_VAL;
  if (range.flag) return "True or False";
  if (range.high == unlimited) {
    if (range.low == -unlimited) return "a finite number";
    return (range.open_low ? "above " : "at least ") + text(range.low) + " and finite";
  }
  return std::string("in ") + (range.open_low ? "(" : "[") + text(range.low) + ", " +
         text(range.high) + (range.open_high ? ")" : "]");
}

void check_range(const std::string& name, const Range& range, double value) {
  if (!range.contains(value))
    throw std::invalid_argument(name + " must be " + describe(range) + ", got " + text(value));
}

}  // namespace pyoptim
