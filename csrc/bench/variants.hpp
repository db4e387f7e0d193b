// The variants of all rules.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "tests/support.hpp"

namespace pyoptim::bench {

struct Variant {
  std::string name;      ///< "SGD", "SGD(momentum=0.5)": with what chooses it, if not the default
  const RuleInfo* rule;  ///< of the baseline
  Settings settings;
  std::vector<double> hyper;
};

inline std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const RuleInfo* rule : test::all_rules()) {
    std::vector<double> hyper, defaults;
    for (std::size_t i = 0; i < rule->field_count; ++i) defaults.push_back(rule->fields[i].initial);
    hyper = test::serves(*rule, defaults) ? defaults : test::choices_of_hyper(*rule).front();
    std::ostringstream chosen;
    for (std::size_t i = 0; i < hyper.size(); ++i)
      if (hyper[i] != defaults[i])
        chosen << (chosen.str().empty() ? "(" : ",") << rule->fields[i].name << '=' << hyper[i];
    if (!chosen.str().empty()) chosen << ')';
    Settings settings = test::settings_of(*rule, hyper);
    settings.emplace_back("lr", 1e-6);  // so small that parameters stay almost constant
    all.push_back({rule->name + chosen.str(), rule, settings, hyper});
  }
  return all;
}

}  // namespace pyoptim::bench
