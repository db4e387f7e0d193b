#include "rules/registry.hpp"

#include <array>

namespace pyoptim {

PYOPTIM_PER_ISA(RuleTable, rule_table);

namespace {

using Rules = std::array<std::vector<const RuleInfo*>, isa_count>;

Rules collect() {
  Rules rules;
  for (const Isa isa : available_isas()) {
    const RuleTable& table = rule_table[isa];
    for (std::size_t i = 0; i < table.size; ++i)
      rules[std::size_t(isa)].push_back(&table.item[i]());
  }
  return rules;
}

}  // namespace

const std::vector<const RuleInfo*>& all_rules(Isa isa) {
  static const Rules rules = collect();
  return rules[std::size_t(isa)];
}

}  // namespace pyoptim
