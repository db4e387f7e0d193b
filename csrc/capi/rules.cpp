// The list of rules, each public name once.
#include <string_view>
#include <vector>

#include "capi/handle.hpp"
#include "core/dispatch.hpp"
#include "rules/registry.hpp"

namespace pyoptim::capi {
namespace {

/// The first variant of each rule.
std::vector<const RuleInfo*> find_rules() {
  std::vector<const RuleInfo*> rules;
  for (const RuleInfo* const variant : all_rules(active_isa()))
    if (rules.empty() || std::string_view(rules.back()->name) != variant->name)
      rules.push_back(variant);
  return rules;
}

const std::vector<const RuleInfo*>& named_rules() {
  static const std::vector<const RuleInfo*> rules = find_rules();
  return rules;
}

}  // namespace
}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

size_t pyoptim_rule_count(void) {
  std::size_t count = 0;
  guarded([&] { count = named_rules().size(); });
  return count;
}

pyoptim_status pyoptim_get_rule(size_t index, pyoptim_rule* rule) {
  return guarded([&] {
    check_index(index, named_rules().size(), "rule");
    const RuleInfo& info = *named_rules()[index];
    fill(rule, {0, info.name, info.doc, info.defaults.lr, info.defaults.weight_decay,
                info.defaults.decoupled_weight_decay ? 1 : 0,
                info.eval_params[0] != nullptr ? 1 : 0, info.update_hessian[0] != nullptr ? 1 : 0,
                info.supports_row_grad ? 1 : 0, info.field_count});
  });
}

pyoptim_status pyoptim_get_field(size_t rule, size_t index, pyoptim_field* field) {
  return guarded([&] {
    check_index(rule, named_rules().size(), "rule");
    check_index(index, named_rules()[rule]->field_count, "field");
    const FieldInfo& info = named_rules()[rule]->fields[index];
    fill(field,
         {0, info.name, info.doc, info.initial, info.range.low, info.range.high,
          info.range.open_low ? 1 : 0, info.range.open_high ? 1 : 0, info.range.flag ? 1 : 0, 0});
  });
}
