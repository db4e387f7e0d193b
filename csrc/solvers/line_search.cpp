// Strong Wolfe: J. J. Moré and D. J. Thuente, Line search algorithms with guaranteed sufficient
// decrease, ACM TOMS 20 (1994). Hager-Zhang: W. W. Hager and H. Zhang, A new conjugate gradient
// method with guaranteed descent and an efficient line search, SIAM J. Optim. 16 (2005).
#include "solvers/line_search.hpp"

#include <algorithm>
#include <cmath>

namespace pyoptim {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Values closer than this, relatively, are equal but for rounding.
constexpr double value_rounding = 1e-15;

/// A step with the objective and its derivative along the direction there.
struct Trial {
  double step = 0;
  double value = 0;
  double derivative = 0;

  [[nodiscard]] bool is_finite() const { return std::isfinite(value) && std::isfinite(derivative); }
};

/// The objective along a direction.
class Ray {
 public:
  Ray(Point& point, double derivative) : point_(&point), start_{0, point.value, derivative} {
    const SolverOptions& options = point.options;
    left_ = options.maxls;
    if (options.maxfun > 0)
      left_ = std::min(left_,
                       std::max<std::int64_t>(1, options.maxfun - point.objective->counts.value));
    slack_ = value_rounding * std::fabs(point.value);
    reference_ = std::max(point.value, point.reference_value);
  }

  [[nodiscard]] const Trial& start() const { return start_; }
  [[nodiscard]] bool can_evaluate() const { return left_ > 0; }

  Trial at(double step) {
    --left_;
    Point& point = *point_;
    point.move(step);
    point.evaluate_trial();
    last_ = {step, point.trial_value, infinity};
    if (std::isfinite(last_.value))
      last_.derivative = point.vectors.dot(point.trial_grad, point.direction);
    if (!last_.is_finite()) last_.value = infinity;
    if (last_.value < best_.value) best_ = last_;
    return last_;
  }

  [[nodiscard]] bool decreases(const Trial& trial) const {
    return trial.value <= reference_ + point_->options.c1 * trial.step * start_.derivative;
  }
  [[nodiscard]] bool is_flat(const Trial& trial) const {
    return std::fabs(trial.derivative) <= point_->options.c2 * -start_.derivative;
  }
  /// Hager and Zhang's approximate conditions, which hold where rounding hides the decrease.
  [[nodiscard]] bool is_approximately_wolfe(const Trial& trial, double slack) const {
    const double c1 = point_->options.c1;
    return trial.value <= start_.value + slack &&
           trial.derivative <= (2 * std::min(c1, 0.5) - 1) * start_.derivative &&
           trial.derivative >= point_->options.c2 * start_.derivative;
  }
  [[nodiscard]] bool is_accepted(const Trial& trial) const {
    return (decreases(trial) && is_flat(trial)) || is_approximately_wolfe(trial, slack_);
  }

  /// The best trial, if it is worth a step: evaluated again unless it was the last.
  double settle() {
    if (best_.step == 0 || !(best_.value < start_.value) || !decreases(best_)) return 0;
    if (last_.step != best_.step) at(best_.step);
    return best_.step;
  }

 private:
  Point* point_;
  Trial start_;
  Trial last_;
  Trial best_{0, infinity, 0};
  double slack_;
  double reference_;
  std::int64_t left_;
};

/// Where the cubic with the values and derivatives of two trials has its minimum; NaN if nowhere.
double cubic_minimum(const Trial& a, const Trial& b) {
  const double theta = 3 * (a.value - b.value) / (b.step - a.step) + a.derivative + b.derivative;
  const double size =
      std::max({std::fabs(theta), std::fabs(a.derivative), std::fabs(b.derivative)});
  if (size == 0) return std::numeric_limits<double>::quiet_NaN();
  const double square =
      (theta / size) * (theta / size) - (a.derivative / size) * (b.derivative / size);
  const double gamma = (b.step > a.step ? 1 : -1) * size * std::sqrt(std::max(0.0, square));
  const double p = gamma - a.derivative + theta;
  const double q = gamma - a.derivative + gamma + b.derivative;
  return a.step + p / q * (b.step - a.step);
}

double secant_step(const Trial& a, const Trial& b) {
  return b.step + b.derivative / (b.derivative - a.derivative) * (a.step - b.step);
}

/// The interval of Moré and Thuente: `best` has the lowest value, `other` is the far end.
class Interval {
 public:
  explicit Interval(const Trial& start) : best_(start), other_(start) {}

  [[nodiscard]] bool is_bracket() const { return bracket_; }
  [[nodiscard]] const Trial& best() const { return best_; }
  [[nodiscard]] double width() const { return std::fabs(other_.step - best_.step); }
  [[nodiscard]] double middle() const { return best_.step + 0.5 * (other_.step - best_.step); }
  [[nodiscard]] double low() const { return std::min(best_.step, other_.step); }
  [[nodiscard]] double high() const { return std::max(best_.step, other_.step); }

  /// Takes a trial in, and returns the next step, of at most `highest`.
  double next(const Trial& trial, double highest) {
    double step = 0;
    bool bounded = false;
    const bool opposite = (trial.derivative > 0) != (best_.derivative > 0) && trial.derivative != 0;
    if (trial.value > best_.value) {
      bounded = true;
      const double cubic = cubic_minimum(best_, trial);
      const double drop = (best_.value - trial.value) / (trial.step - best_.step);
      const double quadratic =
          best_.step + best_.derivative / (drop + best_.derivative) / 2 * (trial.step - best_.step);
      step = std::fabs(cubic - best_.step) < std::fabs(quadratic - best_.step)
                 ? cubic
                 : cubic + (quadratic - cubic) / 2;
      bracket_ = true;
    } else if (opposite) {
      const double cubic = cubic_minimum(trial, best_), secant = secant_step(best_, trial);
      step = std::fabs(cubic - trial.step) > std::fabs(secant - trial.step) ? cubic : secant;
      bracket_ = true;
    } else if (std::fabs(trial.derivative) < std::fabs(best_.derivative)) {
      bounded = true;
      step = falling(trial, highest);
    } else if (bracket_) {
      step = cubic_minimum(trial, other_);
    } else {
      step = trial.step > best_.step ? highest : 0;
    }
    if (trial.value > best_.value) {
      other_ = trial;
    } else {
      if (opposite) other_ = best_;
      best_ = trial;
    }
    if (!std::isfinite(step)) step = bracket_ ? middle() : highest;
    step = std::clamp(step, 0.0, highest);
    if (bracket_ && bounded) {
      const double limit = best_.step + 0.66 * (other_.step - best_.step);
      step = other_.step > best_.step ? std::min(limit, step) : std::max(limit, step);
    }
    return step;
  }

 private:
  /// The derivative keeps its sign and shrinks: the cubic may have no minimum beyond the trial.
  [[nodiscard]] double falling(const Trial& trial, double highest) const {
    const double cubic_step = cubic_minimum(trial, best_), secant = secant_step(best_, trial);
    const bool beyond =
        std::isfinite(cubic_step) && (cubic_step > trial.step) == (trial.step > best_.step);
    const double cubic = beyond ? cubic_step : trial.step > best_.step ? highest : 0;
    const bool cubic_is_nearer = std::fabs(cubic - trial.step) < std::fabs(secant - trial.step);
    if (!bracket_) return cubic_is_nearer ? secant : cubic;
    const double step = cubic_is_nearer ? cubic : secant;
    const double limit = trial.step + 0.66 * (other_.step - trial.step);
    return trial.step > best_.step ? std::min(limit, step) : std::max(limit, step);
  }

  Trial best_;
  Trial other_;
  bool bracket_ = false;
};

/// The first step at which the objective is finite; `highest` becomes the last at which it is not.
Trial first_finite(Ray& ray, double step, double& highest) {
  Trial trial = ray.at(step);
  while (!trial.is_finite() && ray.can_evaluate()) {
    highest = trial.step;
    trial = ray.at(trial.step * (trial.step > 1 ? 0.1 : 0.25));
  }
  return trial;
}

double strong_wolfe(Ray& ray, double first_step) {
  constexpr double expansion = 4, smallest_width = 1e-14;
  double highest = 1e20;
  Trial trial = first_finite(ray, first_step, highest);
  if (!trial.is_finite()) return 0;
  Interval interval(ray.start());
  double width = infinity, width_before = infinity;
  while (true) {
    if (ray.is_accepted(trial)) return trial.step;
    if (!ray.can_evaluate()) break;
    const double limit =
        interval.is_bracket()
            ? interval.high()
            : std::min(highest, trial.step + expansion * (trial.step - interval.best().step));
    double step = interval.next(trial, std::max(limit, trial.step));
    if (interval.is_bracket()) {
      if (interval.width() >= 0.66 * width_before) step = interval.middle();
      width_before = width;
      width = interval.width();
      if (width <= smallest_width * interval.high()) break;
      if (step <= interval.low() || step >= interval.high()) step = interval.middle();
    } else if (step <= trial.step) {
      step = std::min(trial.step * expansion, 0.5 * (trial.step + highest));
      if (!(step > trial.step)) break;
    }
    trial = ray.at(step);
    while (!trial.is_finite() && ray.can_evaluate()) {
      highest = trial.step;
      trial = ray.at(0.5 * (interval.best().step + trial.step));
    }
    if (!trial.is_finite()) break;
  }
  return ray.settle();
}

/// Backtracking by the minimum of the parabola through both values and the derivative at 0.
double armijo(Ray& ray, double first_step) {
  double highest = infinity;
  Trial trial = first_finite(ray, first_step, highest);
  const Trial& start = ray.start();
  while (!ray.decreases(trial)) {
    if (!ray.can_evaluate()) return 0;
    const double bend = trial.value - start.value - trial.step * start.derivative;
    double step = -start.derivative * trial.step * trial.step / (2 * bend);
    if (!(step >= 0.1 * trial.step)) step = 0.1 * trial.step;
    trial = ray.at(std::min(step, 0.5 * trial.step));
  }
  return trial.step;
}

/// Secant steps within a bracket whose ends have derivatives of opposite signs.
class HagerZhang {
 public:
  HagerZhang(Ray& ray, double slack) : ray_(&ray), slack_(slack), a_(ray.start()), b_(a_) {}

  double search(double first_step) {
    double highest = infinity;
    Trial trial = first_finite(*ray_, first_step, highest);
    if (!trial.is_finite()) return 0;
    if (accepts(trial)) return trial.step;
    // Expand until the derivative rises or the value does.
    constexpr double expansion = 5;
    while (trial.derivative < 0 && is_low(trial)) {
      a_ = trial;
      if (!ray_->can_evaluate()) return ray_->settle();
      const double step = std::min(trial.step * expansion, 0.5 * (trial.step + highest));
      trial = ray_->at(step);
      while (!trial.is_finite() && ray_->can_evaluate()) {
        highest = trial.step;
        trial = ray_->at(0.5 * (a_.step + trial.step));
      }
      if (!trial.is_finite()) return ray_->settle();
      if (accepts(trial)) return trial.step;
    }
    b_ = trial;
    if (trial.derivative < 0) {
      if (const double step = bisect(); step != 0) return step;
    }
    while (ray_->can_evaluate() && b_.step - a_.step > 1e-14 * b_.step) {
      const double width = b_.step - a_.step;
      if (const double step = narrow(secant()); step != 0) return step;
      if (b_.step - a_.step > 0.66 * width && ray_->can_evaluate())
        if (const double step = narrow(0.5 * (a_.step + b_.step)); step != 0) return step;
    }
    return ray_->settle();
  }

 private:
  [[nodiscard]] bool is_low(const Trial& trial) const {
    return trial.value <= ray_->start().value + slack_;
  }
  [[nodiscard]] bool accepts(const Trial& trial) const {
    return (ray_->decreases(trial) && ray_->is_flat(trial)) ||
           ray_->is_approximately_wolfe(trial, slack_);
  }
  [[nodiscard]] double secant() const {
    const double step =
        (a_.step * b_.derivative - b_.step * a_.derivative) / (b_.derivative - a_.derivative);
    return step > a_.step && step < b_.step ? step : 0.5 * (a_.step + b_.step);
  }

  /// Replaces an end of the bracket by a trial inside; returns its step if it is accepted.
  double narrow(double step) {
    const Trial trial = ray_->at(step);
    if (trial.is_finite() && accepts(trial)) return trial.step;
    if (trial.is_finite() && trial.derivative >= 0) {
      b_ = trial;
    } else if (trial.is_finite() && is_low(trial)) {
      a_ = trial;
    } else {
      b_ = trial;
      return bisect();
    }
    return 0;
  }

  /// The value at the end is too high: halves until the derivative there is at least 0.
  double bisect() {
    while (ray_->can_evaluate() && b_.step - a_.step > 1e-14 * b_.step) {
      const Trial trial = ray_->at(0.5 * (a_.step + b_.step));
      if (trial.is_finite() && accepts(trial)) return trial.step;
      if (trial.is_finite() && trial.derivative >= 0) {
        b_ = trial;
        return 0;
      }
      (trial.is_finite() && is_low(trial) ? a_ : b_) = trial;
    }
    return 0;
  }

  Ray* ray_;
  double slack_;
  Trial a_;
  Trial b_;
};

/// Within bounds the path is bent: backtracking on the decrease that the gradient predicts for the
/// point reached.
double projected_armijo(Point& point, double first_step) {
  const SolverOptions& options = point.options;
  const double reference = std::max(point.value, point.reference_value);
  double step = first_step;
  for (std::int64_t i = 0; i < options.maxls; ++i) {
    point.move(step);
    double predicted = 0;
    point.vectors.sum_blocks(
        3, 1, &predicted, [&](std::size_t begin, std::size_t end, double* sum) {
          sum[0] = point.vectors.kernels().arc_decrease(point.x + begin, point.trial_x + begin,
                                                        point.grad + begin, end - begin);
        });
    if (!(predicted < 0)) {
      step *= 0.1;
      continue;
    }
    point.evaluate_trial();
    if (point.trial_value <= reference + options.c1 * predicted) return step;
    if (options.maxfun > 0 && point.objective->counts.value >= options.maxfun) return 0;
    const double bend = point.trial_value - point.value - predicted;
    double next = -predicted * step / (2 * bend);
    if (!(next >= 0.1 * step)) next = 0.1 * step;
    step = std::min(next, 0.5 * step);
  }
  return 0;
}

}  // namespace

double search_line(Point& point, double derivative, double first_step, LineSearch kind) {
  if (point.options.low != nullptr) return projected_armijo(point, first_step);
  Ray ray(point, derivative);
  switch (kind) {
    case LineSearch::strong_wolfe:
      return strong_wolfe(ray, first_step);
    case LineSearch::hager_zhang:
      return HagerZhang(ray, 1e-6 * std::fabs(point.value)).search(first_step);
    case LineSearch::armijo:
      return armijo(ray, first_step);
    case LineSearch::fixed:
    case LineSearch::decay:
      return ray.at(first_step).is_finite() ? first_step : 0;
  }
  return 0;
}

}  // namespace pyoptim
