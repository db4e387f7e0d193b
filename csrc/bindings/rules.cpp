#include <string_view>

#include "bindings/bindings.hpp"
#include "core/check_range.hpp"
#include "core/dispatch.hpp"
#include "optim/memory_traffic.hpp"
#include "rules/registry.hpp"

namespace pyoptim::bindings {

py::tuple field_list(const FieldInfo* fields, std::size_t count) {
  py::list all;
  for (std::size_t i = 0; i < count; ++i) {
    const FieldInfo& field = fields[i];
    const py::object initial =
        field.range.flag ? py::object(py::bool_(field.initial != 0)) : py::float_(field.initial);
    all.append(
        py::make_tuple(field.name, initial, describe(field.range), field.range.flag, field.doc));
  }
  return py::tuple(all);
}

namespace {

/// The number of arrays that each pass reads and writes.
py::tuple passes(const RuleInfo& rule) {
  py::list passes;
  for (const auto [reads, writes] : passes_of(rule)) passes.append(py::make_tuple(reads, writes));
  return py::tuple(passes);
}

/// Each public name once, with the states of each variant.
py::list rules() {
  py::list all;
  std::string_view before;
  for (const RuleInfo* const variant : all_rules(active_isa())) {
    const RuleInfo& rule = *variant;
    if (rule.name != before) {
      py::dict entry;
      entry["name"] = rule.name;
      entry["doc"] = rule.doc;
      entry["lr"] = rule.defaults.lr;
      entry["weight_decay"] = rule.defaults.weight_decay;
      entry["decoupled_weight_decay"] = rule.defaults.decoupled_weight_decay;
      entry["fused_weight_decay"] = rule.fused_weight_decay;
      entry["norm_scope"] = rule.sum_count == 0 ? "" : rule.global_sums ? "all" : "array";
      entry["passes"] = passes(rule);
      entry["factored"] = rule.factored != nullptr;
      entry["copied_state"] =
          rule.copied_state < rule.state_count ? rule.states[rule.copied_state] : "";
      entry["mean_state"] = rule.mean_state < rule.state_count ? rule.states[rule.mean_state] : "";
      entry["has_eval_mode"] = rule.eval_params[0] != nullptr;
      entry["takes_hessian"] = rule.update_hessian[0] != nullptr;
      entry["supports_row_grad"] = rule.supports_row_grad;
      entry["first_lr"] = rule.first_lr < rule.field_count ? rule.fields[rule.first_lr].name : "";
      entry["gradient_range"] = py::make_tuple(rule.gradient_range.low, rule.gradient_range.high);
      entry["fields"] = field_list(rule.fields, rule.field_count);
      entry["states"] = py::list();
      all.append(entry);
    }
    before = rule.name;
    py::list states;
    for (std::size_t k = 0; k < rule.state_count; ++k) states.append(rule.states[k]);
    all[all.size() - 1]["states"].cast<py::list>().append(py::tuple(states));
  }
  return all;
}

}  // namespace

void bind_rules(py::module_& module) {
  module.def("rules", &rules, "Returns the rules as plain dicts.");
}

}  // namespace pyoptim::bindings
