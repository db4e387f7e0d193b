#include "core/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace pyoptim {
namespace {

std::vector<Isa> detect() {
  std::vector<Isa> isas{Isa::baseline};
#ifdef PYOPTIM_X86
  __builtin_cpu_init();
  const bool has_avx2 = static_cast<bool>(__builtin_cpu_supports("avx2"));
  if (has_avx2) isas.push_back(Isa::avx2);
  if (has_avx2 && static_cast<bool>(__builtin_cpu_supports("avx512f")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512bw")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512vl")) &&
      static_cast<bool>(__builtin_cpu_supports("avx512dq")))
    isas.push_back(Isa::avx512);
#endif
  return isas;
}

Isa find(std::string_view name, const std::string& asked_by) {
  std::string names;
  for (const Isa isa : available_isas()) {
    if (name == isa_name(isa)) return isa;
    names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  throw std::runtime_error(asked_by + ": instruction set '" + std::string(name) +
                           "' is not available here; available: " + names);
}

constexpr int not_chosen = -1;
std::atomic<int> chosen = not_chosen;  // the number of an Isa

}  // namespace

const char* isa_name(Isa isa) {
  constexpr const char* names[isa_count] = {"baseline", "avx2", "avx512"};
  return names[std::size_t(isa)];
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

Isa active_isa() {
  const int in_use = chosen.load(std::memory_order_acquire);
  if (in_use != not_chosen) return Isa(in_use);
  const char* forced = std::getenv("PYOPTIM_ISA");
  const Isa isa =
      forced != nullptr && *forced != '\0' ? find(forced, "PYOPTIM_ISA") : available_isas().back();
  chosen.store(int(isa), std::memory_order_release);
  return isa;
}

void use_isa(std::string_view name) {
  chosen.store(int(find(name, "set_instruction_set")), std::memory_order_release);
}

}  // namespace pyoptim
