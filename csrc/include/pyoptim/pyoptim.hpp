// The C++20 interface of pyoptim, which adds lifetimes, exceptions and types to the C interface.
//
//   std::vector<float> w(100), dw(100);
//   pyoptim::Optimizer opt(pyoptim::AdamW{.lr = 3e-4}, {w}, {.clip_norm = 1.0});
//   opt.step({dw});
//
// Any numeric hyperparameter may be a schedule, such as .lr = pyoptim::schedules::cosine{.lr =
// 1e-3, .steps = 1000}. Everything here is inline, so programs link only the C interface. The
// matrix optimizers (Muon, Shampoo, SOAP) exist only in Python.
#pragma once

#if __cplusplus < 202002L
#error "pyoptim.hpp needs C++20; the C interface, pyoptim.h, does not"
#else

#include <string>
#include <vector>

#include "pyoptim/array.hpp"
#include "pyoptim/optimizer.hpp"
#include "pyoptim/rules.hpp"
#include "pyoptim/schedule.hpp"
#include "pyoptim/schedules.hpp"

namespace pyoptim {
inline namespace v1 {

/// Returns the version of the loaded library.
inline const char* version() { return pyoptim_version(); }

/// Sets the number of threads of steps without the option num_threads; 0 restores the automatic
/// choice. Throws Error unless the number is from 0 to 512.
inline void set_num_threads(int count) { detail::check(pyoptim_set_num_threads(count)); }
/// Returns the number of threads in use.
inline int get_num_threads() { return pyoptim_get_num_threads(); }

/// A rule with its hyperparameters.
struct RuleInfo : pyoptim_rule {
  std::vector<pyoptim_field> fields;
};

/// Returns all rules. Throws std::bad_alloc if memory runs out.
inline std::vector<RuleInfo> rules() {
  std::vector<RuleInfo> all(pyoptim_rule_count());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].struct_size = sizeof(pyoptim_rule);
    detail::check(pyoptim_get_rule(i, &all[i]));
    all[i].fields.resize(all[i].field_count);
    for (std::size_t k = 0; k < all[i].field_count; ++k) {
      all[i].fields[k].struct_size = sizeof(pyoptim_field);
      detail::check(pyoptim_get_field(i, k, &all[i].fields[k]));
    }
  }
  return all;
}

}  // namespace v1
}  // namespace pyoptim

#endif
