// The library itself: version, threads, instruction set.
#include <stdexcept>
#include <string>

#include "capi/status.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"

using namespace pyoptim;
using namespace pyoptim::capi;

namespace {

constexpr int32_t oldest_abi = 1;  // the oldest supported version; rises when something is removed

}

const char* pyoptim_version(void) { return PYOPTIM_VERSION; }

int32_t pyoptim_abi_version(void) { return PYOPTIM_ABI_VERSION; }

pyoptim_status pyoptim_check_abi(int32_t compiled_with) {
  if (compiled_with >= oldest_abi && compiled_with <= PYOPTIM_ABI_VERSION) return PYOPTIM_OK;
  const pyoptim_status status = guarded([&] {
    const std::string message =
        "the program was compiled with ABI version " + std::to_string(compiled_with) +
        " of pyoptim.h; pyoptim " PYOPTIM_VERSION " serves " + std::to_string(oldest_abi) + " to " +
        std::to_string(PYOPTIM_ABI_VERSION);
    failed(PYOPTIM_ERROR_ABI, message.c_str());
  });
  return status == PYOPTIM_OK ? PYOPTIM_ERROR_ABI : status;
}

pyoptim_status pyoptim_set_num_threads(int32_t count) {
  return guarded([&] {
    if (count < 0 || count > max_threads)
      throw std::invalid_argument("the number of threads must be from 0 to " +
                                  std::to_string(max_threads) + ", got " + std::to_string(count));
    set_thread_count(count);
  });
}

int32_t pyoptim_get_num_threads(void) { return thread_count(); }

const char* pyoptim_instruction_set(void) {
  const char* name = nullptr;
  guarded([&] { name = isa_name(active_isa()); });
  return name;
}
