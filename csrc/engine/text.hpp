// Numbers as text and back. Neither depends on a locale, C's or C++'s.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/export.hpp"

namespace pyoptim {

/// The shortest text that reads back as the number: "0.1", "1e-310", "inf", "nan".
PYOPTIM_API std::string text(double number);
PYOPTIM_API std::string text(float number);

/// The number that a text begins with, past blanks, and cuts it off; nothing if there is none.
std::optional<double> take_number(std::string_view& text);

}  // namespace pyoptim
