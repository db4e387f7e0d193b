// The table of losses. Compiled once for each instruction set.
#include "losses/all.hpp"
#include "losses/kernel_table.hpp"
#include "losses/loss.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class L>
constexpr LossInfo info() {
  static_assert(sizeof(L) == (L::fields.size > 0 ? L::fields.size * sizeof(double) : 1),
                "every member of a loss must be in its field table");
  static_assert(!L::targets.open_low || L::targets.low == -unlimited);
  static_assert(!L::targets.open_high || L::targets.high == unlimited);
  return {.name = L::name,
          .doc = L::doc,
          .fields = field_infos<L>.item,
          .field_count = L::fields.size,
          .targets = L::targets,
          .link = L::link,
          .of_rows = OfRows<L>,
          .evaluate = {evaluate<L, float>, evaluate<L, double>}};
}

template <class List>
struct Losses;
template <class... L>
struct Losses<LossList<L...>> {
  static constexpr LossInfo item[] = {info<L>()...};
};

}  // namespace

extern const LossTable loss_table;
constinit const LossTable loss_table = {Losses<AllLosses>::item, AllLosses::size};

}  // namespace pyoptim::PYOPTIM_ISA
