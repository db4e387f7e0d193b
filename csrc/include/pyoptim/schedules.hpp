// Written by tools/generate from the classes of pyoptim.schedules; do not edit.
// A struct for each schedule: pyoptim::schedules::cosine{.lr = 1e-3, .steps = 1000}.
// Include pyoptim/pyoptim.hpp. Members that are named in braces stand in the order of the struct.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pyoptim/schedule.hpp"

// clang-format off
namespace pyoptim {
inline namespace v1 {
namespace schedules {

/// The same rate at every step.
struct constant {
  double lr;

  static constexpr const char* schedule_name = "constant";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
  }
};

/// A straight line from lr to end in so many steps, then end.
struct linear {
  double lr;
  std::int64_t steps;
  double end = 0.0;

  static constexpr const char* schedule_name = "linear";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("steps", steps);
    visit("end", end);
  }
};

/// Half a cosine from lr to end in so many steps, then end.
struct cosine {
  double lr;
  std::int64_t steps;
  double end = 0.0;

  static constexpr const char* schedule_name = "cosine";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("steps", steps);
    visit("end", end);
  }
};

/// From lr to end as a power of the steps left, then end.
struct polynomial {
  double lr;
  std::int64_t steps;
  double power = 1.0;
  double end = 0.0;

  static constexpr const char* schedule_name = "polynomial";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("steps", steps);
    visit("power", power);
    visit("end", end);
  }
};

/// A staircase: the rate is multiplied by factor every so many steps.
struct step {
  double lr;
  std::int64_t every;
  double factor = 0.1;

  static constexpr const char* schedule_name = "step";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("every", every);
    visit("factor", factor);
  }
};

/// The rate is multiplied by factor at each of the milestones.
struct multi_step {
  double lr;
  std::vector<std::int64_t> milestones;
  double factor = 0.1;

  static constexpr const char* schedule_name = "multi_step";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("milestones", milestones);
    visit("factor", factor);
  }
};

/// The rate is multiplied by factor at every step.
struct exponential {
  double lr;
  double factor;

  static constexpr const char* schedule_name = "exponential";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("factor", factor);
  }
};

/// A rate that falls as 1 / step in the long run.
struct inverse_time {
  double lr;
  double rate;

  static constexpr const char* schedule_name = "inverse_time";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("rate", rate);
  }
};

/// At each boundary the rate is multiplied by its scale.
struct piecewise_constant {
  double lr;
  std::vector<std::pair<std::int64_t, double>> boundaries_and_scales;

  static constexpr const char* schedule_name = "piecewise_constant";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("boundaries_and_scales", boundaries_and_scales);
  }
};

/// From value to value along lines or half cosines.
struct piecewise_interpolate {
  double lr;
  std::vector<std::pair<std::int64_t, double>> boundaries_and_scales;
  const char* interpolate_type = "linear";

  static constexpr const char* schedule_name = "piecewise_interpolate";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("boundaries_and_scales", boundaries_and_scales);
    visit("interpolate_type", interpolate_type);
  }
};

/// Half a cosine over and over, each cycle T_mult times as long as the one before.
struct cosine_restarts {
  double lr;
  std::int64_t T0;
  std::int64_t T_mult = 1;
  double end = 0.0;

  static constexpr const char* schedule_name = "cosine_restarts";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("T0", T0);
    visit("T_mult", T_mult);
    visit("end", end);
  }
};

/// The rate changes by the ratio lr / lr_max every T steps.
struct geometric_restarts {
  double lr;
  double lr_max;
  std::int64_t T;

  static constexpr const char* schedule_name = "geometric_restarts";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("lr_max", lr_max);
    visit("T", T);
  }
};

/// Up to a large rate, then down far below the first.
struct one_cycle {
  double max_lr;
  std::int64_t steps;
  double pct_start = 0.3;
  const char* anneal_strategy = "cosine";
  double div_factor = 25.0;
  double final_div_factor = 10000.0;
  bool three_phase = false;

  static constexpr const char* schedule_name = "one_cycle";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("max_lr", max_lr);
    visit("steps", steps);
    visit("pct_start", pct_start);
    visit("anneal_strategy", anneal_strategy);
    visit("div_factor", div_factor);
    visit("final_div_factor", final_div_factor);
    visit("three_phase", three_phase);
  }
};

/// Up and down between two rates along lines, over and over.
struct cyclic {
  double base_lr;
  double max_lr;
  std::int64_t step_size_up = 2000;
  std::optional<std::int64_t> step_size_down = {};
  const char* mode = "triangular";
  double gamma = 1.0;

  static constexpr const char* schedule_name = "cyclic";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("base_lr", base_lr);
    visit("max_lr", max_lr);
    visit("step_size_up", step_size_up);
    visit("step_size_down", step_size_down);
    visit("mode", mode);
    visit("gamma", gamma);
  }
};

/// The momentum that goes against a cycle, which is one_cycle or cyclic.
struct cycle_momentum {
  Schedule cycle;
  double base_momentum;
  double max_momentum;

  static constexpr const char* schedule_name = "cycle_momentum";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("cycle", cycle);
    visit("base_momentum", base_momentum);
    visit("max_momentum", max_momentum);
  }
};

/// A straight line from start to the first rate of `then`, then that from its step 0 on.
struct warmup {
  std::int64_t steps;
  Schedule then;
  double start = 0.0;

  static constexpr const char* schedule_name = "warmup";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("steps", steps);
    visit("then", then);
    visit("start", start);
  }
};

/// A warm-up, then a constant rate, then a decay at the end.
struct warmup_stable_decay {
  double lr;
  std::int64_t warmup_steps;
  std::int64_t stable_steps;
  std::int64_t decay_steps;
  const char* shape = "1-sqrt";
  double end = 0.0;
  double start = 0.0;

  static constexpr const char* schedule_name = "warmup_stable_decay";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("lr", lr);
    visit("warmup_steps", warmup_steps);
    visit("stable_steps", stable_steps);
    visit("decay_steps", decay_steps);
    visit("shape", shape);
    visit("end", end);
    visit("start", start);
  }
};

/// One schedule after another: the next takes over at each of the boundaries.
struct sequence {
  std::vector<Schedule> schedules;
  std::vector<std::int64_t> boundaries;

  static constexpr const char* schedule_name = "sequence";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("schedules", schedules);
    visit("boundaries", boundaries);
  }
};

/// All schedules at once, multiplied.
struct chain {
  std::vector<Schedule> schedules;

  static constexpr const char* schedule_name = "chain";
  template <class Visit>
  void each(Visit&& visit) const {
    visit("schedules", schedules);
  }
};

}  // namespace schedules

}  // namespace v1
}  // namespace pyoptim
