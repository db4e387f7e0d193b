// Selection of the instruction set.
#include <doctest.h>

#include <cstdlib>

#include "support.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

TEST_CASE("PYOPTIM_ISA forces an instruction set, and one that is not there is an error") {
  std::string names;
  for (const Isa isa : available_isas())
    names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
  CHECK(names.starts_with("baseline"));

  // Runs before the instruction set is first used, which fixes it.
  setenv("PYOPTIM_ISA", "mmx", 1);
  CHECK(message_of([] { active_isa(); }) ==
        "PYOPTIM_ISA: instruction set 'mmx' is not available here; available: " + names);
  setenv("PYOPTIM_ISA", "baseline", 1);
  CHECK(std::string(isa_name(active_isa())) == "baseline");

  for (const Isa isa : available_isas()) {
    use_isa(isa_name(isa));
    CHECK(active_isa() == isa);
  }
  CHECK(message_of([] { use_isa(""); }) ==
        "set_instruction_set: instruction set '' is not available here; available: " + names);
  CHECK(active_isa() == available_isas().back());
}
