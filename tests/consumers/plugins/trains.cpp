// Another library with hidden visibility, which trains by a schedule that it is given, and says
// what the steps throw.
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "pyoptim/pyoptim.hpp"

extern "C" __attribute__((visibility("default"))) const char* thrown_by_step(
    const pyoptim::Schedule& rate, std::int64_t steps) {
  static std::string thrown;
  std::vector<float> w(3, 1.0F);
  const std::vector<float> grad(3, 1.0F);
  pyoptim::Optimizer opt(pyoptim::SGD{.lr = rate}, {w});
  opt.set_steps(steps);
  try {
    opt.step({grad});
    thrown = "nothing";
  } catch (const pyoptim::Error& error) {
    thrown = std::string("Error: ") + error.what();
  } catch (const std::out_of_range& error) {
    thrown = std::string("out_of_range: ") + error.what();
  } catch (const std::runtime_error& error) {
    thrown = std::string("runtime_error: ") + error.what();
  }
  opt.set(0, "lr", 0.25);  // unrelated to what failed
  opt.step({grad});
  if (w[0] != (steps == 0 ? 0.25F : 0.75F)) thrown = "a step that failed changed a parameter";
  return thrown.c_str();
}
