// Numbers as text and back, and text as it is shown. Nothing depends on a locale, C's or C++'s.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/export.hpp"

namespace pyoptim {

/// The shortest text that reads back as the number: "0.1", "1e-310", "inf", "nan".
PYOPTIM_API std::string text(double number);
PYOPTIM_API std::string text(float number);

/// A label or an index as errors show it. The largest one stands for all larger ones, too: numbers
/// that int64 cannot hold are cut to it.
PYOPTIM_API std::string index_text(std::int64_t index);

/// The number that a text begins with, past blanks, and cuts it off; nothing if there is none.
std::optional<double> take_number(std::string_view& text);

/// Writes text as it is shown to `to`, and a NUL behind it: control characters, C1 ones among them,
/// marks of direction, other invisible characters and bytes that are no UTF-8 are escaped as in a
/// string of Python, so that no terminal obeys them. Text that is too long for `size` bytes is cut
/// between characters. Allocates nothing. Text that was shown already stays as it is.
PYOPTIM_API void show(std::string_view text, char* to, std::size_t size) noexcept;
PYOPTIM_API std::string shown(std::string_view text);

}  // namespace pyoptim
