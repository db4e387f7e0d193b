#include "core/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace pyoptim {

namespace baseline {
extern const Backend backend;
}
#ifdef PYOPTIM_X86
namespace avx2 {
extern const Backend backend;
}
namespace avx512 {
extern const Backend backend;
}
#endif

namespace {

std::vector<const Backend*> detect() {
  std::vector<const Backend*> found{&baseline::backend};
#ifdef PYOPTIM_X86
  __builtin_cpu_init();
  const bool has_avx2 = static_cast<bool>(__builtin_cpu_supports("avx2"));
  if (has_avx2) found.push_back(&avx2::backend);
  if (has_avx2 && static_cast<bool>(__builtin_cpu_supports("avx512f")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512bw")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512vl")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512dq")))
    found.push_back(&avx512::backend);
#endif
  return found;
}

const Backend* find(std::string_view name, const std::string& asked_by) {
  std::string names;
  for (const Backend* backend : available_backends()) {
    if (name == backend->name) return backend;
    names += (names.empty() ? "" : ", ") + std::string(backend->name);
  }
  throw std::runtime_error(asked_by + ": instruction set '" + std::string(name) +
                           "' is not available here; available: " + names);
}

std::atomic<const Backend*> chosen = nullptr;

}  // namespace

const std::vector<const Backend*>& available_backends() {
  static const std::vector<const Backend*> backends = detect();
  return backends;
}

const Backend& active_backend() {
  const Backend* backend = chosen.load(std::memory_order_acquire);
  if (backend != nullptr) return *backend;
  const char* forced = std::getenv("PYOPTIM_ISA");
  backend = forced != nullptr && *forced != '\0' ? find(forced, "PYOPTIM_ISA")
                                                 : available_backends().back();
  chosen.store(backend, std::memory_order_release);
  return *backend;
}

void use_backend(std::string_view name) {
  chosen.store(find(name, "set_instruction_set"), std::memory_order_release);
}

}  // namespace pyoptim
