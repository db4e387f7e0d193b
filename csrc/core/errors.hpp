// The exceptions of the engine, for all interfaces.
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

/// The kinds of exceptions. The engine throws IndexError, std::invalid_argument for all other
/// arguments, std::runtime_error for a call that is not possible in the current state, and
/// std::bad_alloc. Anything else is a bug of the engine, including exceptions of the standard
/// library such as std::out_of_range.
enum class ErrorKind : std::uint8_t { index, argument, state, memory, mistake };

struct CaughtError {
  ErrorKind kind;
  const char* message;
};

/// Describes the exception that is being handled. The message lives as long as the exception.
PYOPTIM_API CaughtError caught_error() noexcept;

}  // namespace pyoptim
