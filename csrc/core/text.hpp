// Conversion of numbers to text and back, and text in printable form. Nothing depends on a locale.
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

/// A label or an index for error messages. INT64_MAX is shown as "or more", because larger numbers
/// are clamped to it.
PYOPTIM_API std::string index_text(std::int64_t index);

/// Parses a number at the start of the text, after blanks, and removes it from the text.
std::optional<double> parse_number(std::string_view& text);

/// Writes text in printable form to `to`, followed by a NUL. Control characters, direction marks,
/// other invisible characters and bytes that are not UTF-8 are escaped as in a Python string, so
/// that they cannot control a terminal. Text that is longer than `size` bytes is cut between
/// characters. Allocates nothing. Printable text is unchanged.
PYOPTIM_API void show(std::string_view text, char* to, std::size_t size) noexcept;
PYOPTIM_API std::string shown(std::string_view text);

}  // namespace pyoptim
