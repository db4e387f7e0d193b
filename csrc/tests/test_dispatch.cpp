// Which instruction set is used.
#include <doctest.h>

#include <cstdlib>

#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

TEST_CASE("PYOPTIM_ISA forces an instruction set, and one that is not there is an error") {
  std::string names;
  for (const Backend* backend : available_backends())
    names += (names.empty() ? "" : ", ") + std::string(backend->name);
  CHECK(names.starts_with("baseline"));

  // This comes before anything asks for the active one, which is then kept.
  setenv("PYOPTIM_ISA", "mmx", 1);
  CHECK(message_of([] { active_backend(); }) ==
        "PYOPTIM_ISA: instruction set 'mmx' is not available here; available: " + names);
  setenv("PYOPTIM_ISA", "baseline", 1);
  CHECK(std::string(active_backend().name) == "baseline");

  for (const Backend* backend : available_backends()) {
    use_backend(backend->name);
    CHECK(&active_backend() == backend);
  }
  CHECK(message_of([] { use_backend(""); }) ==
        "set_instruction_set: instruction set '' is not available here; available: " + names);
  CHECK(&active_backend() == available_backends().back());
}
