// Preprocessing of an element before the rule, and storing of its states after it.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "rules/rule.hpp"
#include "simd/element.hpp"

namespace pyoptim::PYOPTIM_ISA {

/// Preprocesses an element.
template <class F, bool General>
class Preprocessor {
 public:
  explicit Preprocessor(const Preprocess& preprocess)
      : scale_(narrow<F>(preprocess.scale)),
        rest_(narrow<F>(preprocess.rest)),
        bound_(F(preprocess.bound)),
        l2_(narrow<F>(preprocess.l2)),
        keep_(narrow<F>(preprocess.keep)) {}

  void operator()(F& param, F& grad) const {
    grad *= scale_;
    if constexpr (General) grad *= rest_;
    grad = smaller(bound_, larger(-bound_, grad));
    if constexpr (General) grad += l2_ * param;
    param *= keep_;
  }

 private:
  F scale_, rest_, bound_, l2_, keep_;
};

template <class Function, class... Arguments>
concept Takes = requires(const Function& function, Arguments... arguments) {
  function(arguments...);
};

/// Whether an update, or a first pass with these terms, changes state K, which it then takes by
/// reference.
template <std::size_t K, class F, class Function, class... Terms, std::size_t... I>
consteval bool changes(std::index_sequence<I...> /*states*/) {
  return !Takes<Function, F&, F, std::conditional_t<I == K, const F, F>&..., Terms...>;
}

template <bool Changed, class F>
void store_state(F& state, F value) {
  if constexpr (Changed) state = value;
}

}  // namespace pyoptim::PYOPTIM_ISA
