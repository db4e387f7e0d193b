// The loops of every loss. Compiled once for each instruction set.
#include "losses/kernels.hpp"

#include <cstddef>
#include <cstdint>

#include "engine/sum.hpp"
#include "losses/all.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class L, class F>
concept ByScore = requires(F z, F y) {
  L::value(z, y);
};

template <class L, class F>
double evaluate(const void* scores, const void* targets, void* slopes, double scale,
                std::size_t rows, std::size_t columns) {
  const F* const z = static_cast<const F*>(scores);
  F* const slope = static_cast<F*>(slopes);
  const F factor = F(scale);
  if constexpr (ByScore<L, F>) {
    const F* const y = static_cast<const F*>(targets);
    if (slope == nullptr)
      return sum_in_lanes(rows * columns, [=](std::size_t i) { return L::value(z[i], y[i]); });
    return sum_in_lanes(rows * columns, [=](std::size_t i) {
      const F score = z[i];
      slope[i] = factor * L::slope(score, y[i]);
      return L::value(score, y[i]);
    });
  } else {
    const auto* const label = static_cast<const std::int64_t*>(targets);
    double sum = 0;
    for (std::size_t i = 0; i < rows; ++i)
      sum += L::row(z + i * columns, label[i], slope == nullptr ? nullptr : slope + i * columns,
                    factor, columns);
    return sum;
  }
}

template <class L>
constexpr LossInfo info() {
  return {.name = L::name,
          .doc = L::doc,
          .labels = !ByScore<L, float>,
          .evaluate = {evaluate<L, float>, evaluate<L, double>}};
}

template <class List>
struct Losses;
template <class... L>
struct Losses<LossList<L...>> {
  static constexpr LossInfo item[] = {info<L>()...};
};

}  // namespace

constinit const LossTable loss_table = {Losses<AllLosses>::item, AllLosses::size};

}  // namespace pyoptim::PYOPTIM_ISA
