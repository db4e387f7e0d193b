// The table of everything that is compiled for one instruction set, in a namespace of its own
// (PYOPTIM_ISA); nothing else of the library is compiled with instruction-set flags.
#include <cstddef>

#include "core/backend.hpp"
#include "embedding/kernels.hpp"
#include "foreach/kernels.hpp"
#include "linalg/gemm_kernels.hpp"
#include "linalg/spmm_kernels.hpp"
#include "losses/kernels.hpp"
#include "nn/kernels.hpp"
#include "optim/quantize/kernels.hpp"
#include "rules/all.hpp"
#include "rules/rule_table.hpp"
#include "simd/element.hpp"
#include "simd/reduce.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

// Each info is defined in the source of its rule.
#ifdef __clang__
#pragma clang diagnostic ignored "-Wundefined-var-template"
#endif
template <class List>
struct Rules;
template <class... R>
struct Rules<RuleList<R...>> {
  static constexpr const RuleInfo* item[] = {&Described<R>::info...};
};

template <class T>
double square_sum(const void* values, std::size_t size) {
  const T* const x = static_cast<const T*>(values);
  return sum_in_lanes(size, [=](std::size_t i) {
    const auto value = double(load(x[i]));
    return value * value;
  });
}

/// The largest magnitude; NaN where there is one.
template <class T>
double largest(const void* values, std::size_t size) {
  const T* const x = static_cast<const T*>(values);
  double most = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double value = magnitude(double(load(x[i])));
    most = most != most || value <= most ? most : value;
  }
  return most;
}

}  // namespace

#define PYOPTIM_NAME_OF(isa) #isa
#define PYOPTIM_NAME(isa) PYOPTIM_NAME_OF(isa)

extern const Backend backend;
constinit const Backend backend = {
    .name = PYOPTIM_NAME(PYOPTIM_ISA),
    .rules = Rules<AllRules>::item,
    .rule_count = AllRules::size,
    .square_sum = {square_sum<float>, square_sum<double>, square_sum<bfloat16>},
    .largest = {largest<float>, largest<double>, largest<bfloat16>},
    .layers = layer_kernels,
    .factors = factor_kernels,
    .norms = norm_kernels,
    .losses = &loss_table,
    .products = product_kernels,
    .sparse = sparse_kernels,
    .storage = &storage_kernels,
    .vectors = vector_kernels,
};

}  // namespace pyoptim::PYOPTIM_ISA
