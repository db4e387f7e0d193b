#include "solvers/problems/problems.hpp"

#include <stdexcept>

#include "solvers/problems/residuals.hpp"

namespace pyoptim {

Problem::~Problem() = default;

namespace {

namespace mgh = more_garbow_hillstrom;

struct Entry {
  const char* name;
  std::size_t n;
  std::size_t m;
  void (*start)(double* x);
  void (*residuals)(const double* x, double* f);
  void (*dual_residuals)(const Dual* x, Dual* f);
};

template <class P>
constexpr Entry entry(const char* name) {
  return {name, P::n, P::m, P::start, P::template residuals<double>, P::template residuals<Dual>};
}

constexpr Entry entries[] = {
    entry<mgh::Rosenbrock>("rosenbrock"),
    entry<mgh::FreudensteinRoth>("freudenstein_roth"),
    entry<mgh::PowellBadlyScaled>("powell_badly_scaled"),
    entry<mgh::BrownBadlyScaled>("brown_badly_scaled"),
    entry<mgh::Beale>("beale"),
    entry<mgh::JennrichSampson>("jennrich_sampson"),
    entry<mgh::HelicalValley>("helical_valley"),
    entry<mgh::Bard>("bard"),
    entry<mgh::Gaussian>("gaussian"),
    entry<mgh::Meyer>("meyer"),
    entry<mgh::Gulf>("gulf"),
    entry<mgh::Box>("box"),
    entry<mgh::PowellSingular<4>>("powell_singular"),
    entry<mgh::Wood>("wood"),
    entry<mgh::KowalikOsborne>("kowalik_osborne"),
    entry<mgh::BrownDennis>("brown_dennis"),
    entry<mgh::Osborne1>("osborne_1"),
    entry<mgh::BiggsExp6>("biggs_exp6"),
    entry<mgh::Osborne2>("osborne_2"),
    entry<mgh::Watson>("watson"),
    entry<mgh::ExtendedRosenbrock>("extended_rosenbrock"),
    entry<mgh::PowellSingular<12>>("extended_powell_singular"),
    entry<mgh::Penalty1>("penalty_1"),
    entry<mgh::Penalty2>("penalty_2"),
    entry<mgh::VariablyDimensioned>("variably_dimensioned"),
    entry<mgh::Trigonometric>("trigonometric"),
    entry<mgh::BrownAlmostLinear>("brown_almost_linear"),
    entry<mgh::DiscreteBoundaryValue>("discrete_boundary_value"),
    entry<mgh::DiscreteIntegral>("discrete_integral"),
    entry<mgh::BroydenTridiagonal>("broyden_tridiagonal"),
    entry<mgh::BroydenBanded>("broyden_banded"),
    entry<mgh::LinearFullRank>("linear_full_rank"),
    entry<mgh::LinearRank1>("linear_rank_1"),
    entry<mgh::LinearRank1WithZeros>("linear_rank_1_with_zeros"),
    entry<mgh::Chebyquad>("chebyquad"),
};

class SumOfSquares final : public Problem {
 public:
  explicit SumOfSquares(const Entry& entry)
      : entry_(&entry), x_(entry.n), f_(entry.m), values_(entry.m) {}

  [[nodiscard]] std::size_t size() const override { return entry_->n; }
  void start(double* x) const override { entry_->start(x); }

  double value_and_grad(const double* x, double* grad) override {
    ++counts.value;
    ++counts.grad;
    entry_->residuals(x, values_.data());
    double value = 0;
    for (const double f : values_) value += f * f;
    set(x);
    for (std::size_t j = 0; j < entry_->n; ++j) {
      x_[j].a = 1;
      entry_->dual_residuals(x_.data(), f_.data());
      x_[j].a = 0;
      grad[j] = 0;
      for (const Dual& f : f_) grad[j] += 2 * f.value * f.a;
    }
    return value;
  }

  [[nodiscard]] bool has_hess_vec() const override { return true; }
  void hess_vec(const double* x, const double* v, double* out) override {
    ++counts.hessian;
    set(x);
    for (std::size_t j = 0; j < entry_->n; ++j) x_[j].b = v[j];
    for (std::size_t j = 0; j < entry_->n; ++j) out[j] = second_derivative(j);
  }

  [[nodiscard]] bool has_hessian() const override { return true; }
  void hessian(const double* x, double* out) override {
    ++counts.hessian;
    set(x);
    const std::size_t n = entry_->n;
    for (std::size_t i = 0; i < n; ++i) {
      x_[i].b = 1;
      for (std::size_t j = 0; j <= i; ++j) out[i * n + j] = out[j * n + i] = second_derivative(j);
      x_[i].b = 0;
    }
  }

 private:
  void set(const double* x) {
    for (std::size_t j = 0; j < entry_->n; ++j) x_[j] = Dual(x[j]);
  }

  /// By x_j and along the second direction.
  double second_derivative(std::size_t j) {
    x_[j].a = 1;
    entry_->dual_residuals(x_.data(), f_.data());
    x_[j].a = 0;
    double sum = 0;
    for (const Dual& f : f_) sum += 2 * (f.a * f.b + f.value * f.ab);
    return sum;
  }

  const Entry* entry_;
  std::vector<Dual> x_, f_;
  std::vector<double> values_;
};

}  // namespace

const std::vector<std::string>& problem_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Entry& each : entries) all.emplace_back(each.name);
    return all;
  }();
  return names;
}

std::unique_ptr<Problem> make_problem(const std::string& name) {
  for (const Entry& each : entries)
    if (name == each.name) return std::make_unique<SumOfSquares>(each);
  throw std::invalid_argument("name: expected the name of a test problem, got '" + name + "'");
}

}  // namespace pyoptim
