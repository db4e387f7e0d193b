// Options of an optimizer by name.
#include <algorithm>
#include <cmath>
#include <string>

#include "capi/handle.hpp"
#include "core/text.hpp"
#include "core/threads.hpp"

namespace pyoptim::capi {
namespace {

double number(const char* name, double value) {
  if (!std::isfinite(value))
    throw std::invalid_argument(std::string(name) + " must be finite, got " + pyoptim::text(value));
  return value;
}

bool flag(const char* name, double value) {
  if (value != 0 && value != 1)
    throw std::invalid_argument(std::string(name) + " must be 0 or 1, got " + pyoptim::text(value));
  return value == 1;
}

/// The largest whole number below which all have a double of their own.
constexpr std::uint64_t max_double = (std::uint64_t{1} << 53) - 1;

void check_count(const char* name, std::uint64_t max, bool is_right, const std::string& got) {
  if (!is_right)
    throw std::invalid_argument(std::string(name) + " must be a whole number from 0 to " +
                                std::to_string(max) + ", got " + got);
}

std::uint64_t count_of(const char* name, double value, std::uint64_t max) {
  const bool has_larger = max > max_double && value > double(max_double);
  max = std::min(max, max_double);
  check_count(
      name, max, value >= 0 && value <= double(max) && value == std::floor(value),
      pyoptim::text(value) + (has_larger ? "; larger ones go to pyoptim_set_option_count" : ""));
  return static_cast<std::uint64_t>(value);
}

struct NumberOption {
  const char* name;
  void (*set)(Options&, const char* name, double value);
};

constexpr NumberOption number_options[] = {
    {"clip_norm", [](Options& o, const char* n, double x) { o.clip_norm = number(n, x); }},
    {"clip_value", [](Options& o, const char* n, double x) { o.clip_value = number(n, x); }},
    {"skip_nonfinite", [](Options& o, const char* n, double x) { o.skip_nonfinite = flag(n, x); }},
    {"stochastic_rounding",
     [](Options& o, const char* n, double x) { o.fused.stochastic = flag(n, x); }},
    {"ema_decay", [](Options& o, const char* n, double x) { o.fused.ema_decay = number(n, x); }},
    {"bfloat16_copy",
     [](Options& o, const char* n, double x) { o.fused.bfloat16_copy = flag(n, x); }},
    {"zero_grads", [](Options& o, const char* n, double x) { o.fused.zero_grads = flag(n, x); }},
};

struct CountOption {
  const char* name;
  std::uint64_t max;
  void (*set)(Options&, std::uint64_t value);
};

constexpr CountOption count_options[] = {
    {"num_threads", max_threads, [](Options& o, std::uint64_t x) { o.threads = int(x); }},
    {"seed", ~std::uint64_t{0}, [](Options& o, std::uint64_t x) { o.fused.seed = x; }},
};

struct WordOption {
  const char* name;
  const char* word;  // nullptr: the default
  void (*set)(Options&);
};

constexpr WordOption word_options[] = {
    {"state_dtype", nullptr, [](Options& o) { o.fused.format = StateFormat::full; }},
    {"state_dtype", "float32", [](Options& o) { o.fused.format = StateFormat::full; }},
    {"state_dtype", "bfloat16", [](Options& o) { o.fused.format = StateFormat::bfloat16; }},
    {"state_dtype", "float8", [](Options& o) { o.fused.format = StateFormat::float8; }},
    {"master_weights", nullptr, [](Options& o) { o.fused.master = Master::none; }},
    {"master_weights", "float32", [](Options& o) { o.fused.master = Master::full; }},
    {"master_weights", "split", [](Options& o) { o.fused.master = Master::low_half; }},
    {"modifier", nullptr, [](Options& o) { o.fused.modifier = Modifier::none; }},
    {"modifier", "cautious", [](Options& o) { o.fused.modifier = Modifier::cautious; }},
    {"modifier", "grams", [](Options& o) { o.fused.modifier = Modifier::grams; }},
};

[[noreturn]] void refuse_option(std::string_view name, const char* kind, const std::string& known) {
  throw std::invalid_argument("there is no option '" + std::string(name) + "' that is a " + kind +
                              "; there are " + known);
}

/// Sets the options if an optimizer accepts them.
void take(pyoptim_optimizer& handle, const Options& options) {
  const Optimizer trial(handle.rule, {{handle.settings, {}}}, options);
  handle.options = options;
}

}  // namespace
}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

pyoptim_status pyoptim_set_option(pyoptim_optimizer* optimizer, const char* name, double value) {
  return described(optimizer, [&](pyoptim_optimizer& handle) {
    std::string known;
    for (const NumberOption& option : number_options) {
      known += (known.empty() ? "" : ", ") + std::string(option.name);
      if (text(name, "the name") != option.name) continue;
      Options options = handle.options;
      option.set(options, name, value);
      return take(handle, options);
    }
    for (const CountOption& option : count_options) {
      known += ", " + std::string(option.name);
      if (text(name, "the name") != option.name) continue;
      Options options = handle.options;
      option.set(options, count_of(name, value, option.max));
      return take(handle, options);
    }
    refuse_option(name, "number", known);
  });
}

pyoptim_status pyoptim_set_option_count(pyoptim_optimizer* optimizer, const char* name,
                                        uint64_t value) {
  return described(optimizer, [&](pyoptim_optimizer& handle) {
    std::string known;
    for (const CountOption& option : count_options) {
      known += (known.empty() ? "" : ", ") + std::string(option.name);
      if (text(name, "the name") != option.name) continue;
      check_count(name, option.max, value <= option.max, std::to_string(value));
      Options options = handle.options;
      option.set(options, value);
      return take(handle, options);
    }
    refuse_option(name, "count", known);
  });
}

pyoptim_status pyoptim_set_option_word(pyoptim_optimizer* optimizer, const char* name,
                                       const char* word) {
  return described(optimizer, [&](pyoptim_optimizer& handle) {
    std::string known, words;
    for (const WordOption& option : word_options) {
      if (option.word == nullptr) known += (known.empty() ? "" : ", ") + std::string(option.name);
      if (text(name, "the name") != option.name) continue;
      const bool same = word == nullptr
                            ? option.word == nullptr
                            : option.word != nullptr && word == std::string(option.word);
      if (!same) {
        if (option.word != nullptr)
          words += (words.empty() ? "'" : ", '") + std::string(option.word) + "'";
        continue;
      }
      Options options = handle.options;
      option.set(options);
      return take(handle, options);
    }
    if (words.empty()) refuse_option(name, "word", known);
    throw std::invalid_argument(std::string(name) + " must be one of " + words + ", got '" + word +
                                "'");
  });
}
