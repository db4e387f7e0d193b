// The C++ interface of pyoptim: the C interface with lifetimes, exceptions and types. C++20.
//
//   std::vector<float> w(100), dw(100);
//   pyoptim::Optimizer opt(pyoptim::AdamW{.lr = 3e-4}, {w}, {.clip_norm = 1.0});
//   opt.step({dw});
//
// Any setting that is a number may be a schedule: .lr = pyoptim::schedules::cosine{.lr = 1e-3,
// .steps = 1000}. Everything here is inline: only the C interface of the library is linked. The
// optimizers that take matrices as wholes (Muon, Shampoo, SOAP) are in Python only.
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
inline namespace face1 {

/// The version of the library that runs.
inline const char* version() { return pyoptim_version(); }

/// Threads of a step without the option num_threads; 0 goes back to the automatic choice. Throws
/// Error unless it is from 0 to 512.
inline void set_num_threads(int count) { detail::check(pyoptim_set_num_threads(count)); }
/// The number in use.
inline int get_num_threads() { return pyoptim_get_num_threads(); }

/// A rule with its hyper-parameters.
struct RuleInfo : pyoptim_rule {
  std::vector<pyoptim_field> fields;
};

/// The list of rules. Throws std::bad_alloc if memory runs out.
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

}  // namespace face1
}  // namespace pyoptim

#endif
