// The table of rules. Compiled once for each instruction set.
#include "rules/all.hpp"
#include "rules/kernel_table.hpp"

namespace pyoptim::PYOPTIM_ISA {
namespace {

template <class List>
struct Rules;
template <class... R>
struct Rules<RuleList<R...>> {
  static constexpr const RuleInfo& (*item[])() = {rule_info<R>...};
};

}  // namespace

extern const RuleTable rule_table;
constinit const RuleTable rule_table = {Rules<AllRules>::item, AllRules::size};

}  // namespace pyoptim::PYOPTIM_ISA
