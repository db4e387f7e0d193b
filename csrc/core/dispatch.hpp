// Selection of the instruction set (ISA) of the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/export.hpp"

namespace pyoptim {

/// The instruction sets that kernels may be compiled for.
enum class Isa : std::uint8_t { baseline, avx2, avx512 };
inline constexpr std::size_t isa_count = 3;

PYOPTIM_API const char* isa_name(Isa isa);

/// The instruction sets that this build has kernels for and this processor can run, best last.
PYOPTIM_API const std::vector<Isa>& available_isas();

/// The instruction set in use: PYOPTIM_ISA if set, else the best. Throws std::runtime_error if
/// PYOPTIM_ISA is not the name of an available one.
PYOPTIM_API Isa active_isa();

/// Changes the instruction set of optimizers and models that are created from now on. Throws
/// std::runtime_error if `name` is not the name of an available one.
PYOPTIM_API void use_isa(std::string_view name);

/// The table of kernels of one topic, for each instruction set. PYOPTIM_PER_ISA defines one.
template <class Table>
class PerIsa {
 public:
  /// nullptr for an instruction set that the build has no kernels for.
  constexpr PerIsa(const Table* baseline, const Table* avx2, const Table* avx512)
      : tables_{baseline, avx2, avx512} {}

  [[nodiscard]] const Table& operator[](Isa isa) const { return *tables_[std::size_t(isa)]; }
  /// The table for the instruction set in use.
  [[nodiscard]] const Table& current() const { return (*this)[active_isa()]; }
  const Table* operator->() const { return &current(); }

 private:
  const Table* tables_[isa_count];
};

}  // namespace pyoptim

// Defines `const PerIsa<Table> name`, in namespace pyoptim, from the tables called `name` in the
// namespaces of the instruction sets.
#ifdef PYOPTIM_X86
#define PYOPTIM_PER_ISA(Table, name) \
  namespace baseline {               \
  extern const Table name;           \
  }                                  \
  namespace avx2 {                   \
  extern const Table name;           \
  }                                  \
  namespace avx512 {                 \
  extern const Table name;           \
  }                                  \
  constinit const PerIsa<Table> name { &baseline::name, &avx2::name, &avx512::name }
#else
#define PYOPTIM_PER_ISA(Table, name) \
  namespace baseline {               \
  extern const Table name;           \
  }                                  \
  constinit const PerIsa<Table> name { &baseline::name, nullptr, nullptr }
#endif
