#include "core/errors.hpp"

#include <new>
#include <system_error>

namespace pyoptim {

IndexError::~IndexError() =
    default;  // defined here, so that only this library has its type information

CaughtError caught_error() noexcept {
  try {
    throw;
  } catch (const IndexError& error) {
    return {ErrorKind::index, error.what()};
  } catch (const std::invalid_argument& error) {
    return {ErrorKind::argument, error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::memory, "out of memory"};
  } catch (const std::length_error&) {  // a container larger than the address space
    return {ErrorKind::memory, "out of memory"};
  } catch (const std::system_error& error) {
    return {ErrorKind::mistake, error.what()};
  } catch (const std::range_error& error) {
    return {ErrorKind::mistake, error.what()};
  } catch (const std::overflow_error& error) {
    return {ErrorKind::mistake, error.what()};
  } catch (const std::underflow_error& error) {
    return {ErrorKind::mistake, error.what()};
  } catch (const std::runtime_error& error) {
    return {ErrorKind::state, error.what()};
  } catch (const std::exception& error) {
    return {ErrorKind::mistake, error.what()};
  } catch (...) {
    return {ErrorKind::mistake, "an unknown exception"};
  }
}

}  // namespace pyoptim
