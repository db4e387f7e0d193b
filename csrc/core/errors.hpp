// What the engine throws, and what every interface makes of it.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "core/export.hpp"

namespace pyoptim {

/// The number of a row, parameter or group is out of range.
class PYOPTIM_API IndexError : public std::out_of_range {
 public:
  using std::out_of_range::out_of_range;
  IndexError(const IndexError&) = default;
  IndexError& operator=(const IndexError&) = default;
  ~IndexError() override;
};

/// The engine throws IndexError, std::invalid_argument for another argument, std::runtime_error for
/// a call that is not possible now, and std::bad_alloc. Everything else is a mistake of ours: what
/// the standard library throws by itself, such as its std::out_of_range, was meant for us.
enum class ErrorKind : std::uint8_t { index, argument, state, memory, mistake };

struct CaughtError {
  ErrorKind kind;
  const char* message;
};

/// Describes the exception that is being handled, for as long as it is.
PYOPTIM_API CaughtError caught_error() noexcept;

}  // namespace pyoptim
