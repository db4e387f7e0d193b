// Options by name: what is the same for all groups.
#include <cmath>
#include <string>

#include "capi/handle.hpp"
#include "engine/threads.hpp"

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

double whole(const char* name, double value, double most) {
  if (!(value >= 0 && value <= most && value == std::floor(value)))
    throw std::invalid_argument(std::string(name) + " must be a whole number from 0 to " +
                                std::to_string(static_cast<long long>(most)) + ", got " +
                                pyoptim::text(value));
  return value;
}

struct NumberOption {
  const char* name;
  void (*set)(Options&, const char* name, double value);
};

constexpr NumberOption number_options[] = {
    {"clip_norm", [](Options& o, const char* n, double x) { o.clip_norm = number(n, x); }},
    {"clip_value", [](Options& o, const char* n, double x) { o.clip_value = number(n, x); }},
    {"skip_nonfinite", [](Options& o, const char* n, double x) { o.skip_nonfinite = flag(n, x); }},
    {"num_threads",
     [](Options& o, const char* n, double x) { o.threads = int(whole(n, x, most_threads)); }},
    {"stochastic_rounding",
     [](Options& o, const char* n, double x) { o.extras.stochastic = flag(n, x); }},
    {"seed", [](Options& o, const char* n,
                double x) { o.extras.seed = static_cast<std::uint64_t>(whole(n, x, 0x1p53)); }},
    {"ema_decay", [](Options& o, const char* n, double x) { o.extras.ema_decay = number(n, x); }},
    {"bfloat16_copy",
     [](Options& o, const char* n, double x) { o.extras.bfloat16_copy = flag(n, x); }},
    {"zero_grads", [](Options& o, const char* n, double x) { o.extras.zero_grads = flag(n, x); }},
};

struct WordOption {
  const char* name;
  const char* word;  // nullptr: none of the words
  void (*set)(Options&);
};

constexpr WordOption word_options[] = {
    {"state_dtype", nullptr, [](Options& o) { o.extras.format = StateFormat::full; }},
    {"state_dtype", "float32", [](Options& o) { o.extras.format = StateFormat::full; }},
    {"state_dtype", "bfloat16", [](Options& o) { o.extras.format = StateFormat::bfloat16; }},
    {"state_dtype", "float8", [](Options& o) { o.extras.format = StateFormat::float8; }},
    {"master_weights", nullptr, [](Options& o) { o.extras.master = Master::none; }},
    {"master_weights", "float32", [](Options& o) { o.extras.master = Master::full; }},
    {"master_weights", "split", [](Options& o) { o.extras.master = Master::low_half; }},
    {"modifier", nullptr, [](Options& o) { o.extras.modifier = Modifier::none; }},
    {"modifier", "cautious", [](Options& o) { o.extras.modifier = Modifier::cautious; }},
    {"modifier", "grams", [](Options& o) { o.extras.modifier = Modifier::grams; }},
};

[[noreturn]] void refuse_option(std::string_view name, const char* kind, const std::string& known) {
  throw std::invalid_argument("there is no option '" + std::string(name) + "' that is a " + kind +
                              "; there are " + known);
}

/// Takes over the options if an optimizer can have them.
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
    refuse_option(name, "number", known);
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
