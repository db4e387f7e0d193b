// Schedules by name.
#include "schedules/schedule.hpp"

#include <string>

#include "capi/function.hpp"
#include "capi/handle.hpp"

namespace pyoptim::capi {
namespace {

schedules::Argument argument_of(const pyoptim_argument& source) {
  using Kind = schedules::Argument::Kind;
  schedules::Argument argument;
  argument.name = text(source.name, "the name of an argument");
  if (source.schedules != nullptr) {
    argument.kind = Kind::schedules;
    check_list(source.schedules, source.count, source.name);
    for (std::size_t i = 0; i < source.count; ++i)
      argument.schedules.push_back(at(source.schedules[i], source.name).value);
  } else if (source.numbers != nullptr) {
    argument.kind = Kind::numbers;
    check_list(source.numbers, source.count, source.name);
    argument.numbers.assign(source.numbers, source.numbers + source.count);
  } else if (source.word != nullptr) {
    argument.kind = Kind::word;
    argument.word = source.word;
  } else {
    argument.number = source.number;
  }
  return argument;
}

}  // namespace
}  // namespace pyoptim::capi

using namespace pyoptim;
using namespace pyoptim::capi;

pyoptim_status pyoptim_schedule_create(const char* name, const pyoptim_argument* arguments,
                                       size_t count, pyoptim_schedule** schedule) {
  return guarded([&] {
    at(schedule, "made") = nullptr;
    check_list(arguments, count, "arguments");
    std::vector<schedules::Argument> converted;
    for (std::size_t i = 0; i < count; ++i) converted.push_back(argument_of(arguments[i]));
    *schedule = new pyoptim_schedule{
        schedules::make_schedule(text(name, "the name"), std::move(converted))};
  });
}

pyoptim_status pyoptim_schedule_of(pyoptim_function function, void* context,
                                   void (*release)(void* context), pyoptim_schedule** schedule) {
  return guarded([&] {
    at(schedule, "made") = nullptr;
    if (function == nullptr) throw std::invalid_argument("the function is NULL");
    auto handle = std::make_unique<pyoptim_schedule>();
    handle->value = schedule_of(function, context, release);
    *schedule = handle.release();
  });
}

pyoptim_status pyoptim_schedule_value(const pyoptim_schedule* schedule, int64_t step,
                                      double* value) {
  return guarded([&] {
    check_steps("the step", step);
    at(value, "value") = (*at(schedule, "the schedule").value)(step);
  });
}

void pyoptim_schedule_destroy(pyoptim_schedule* schedule) { delete schedule; }

size_t pyoptim_schedule_count(void) {
  std::size_t count = 0;
  guarded([&] { count = schedules::schedule_list().size(); });
  return count;
}

const char* pyoptim_schedule_name(size_t index) {
  return index < pyoptim_schedule_count() ? schedules::schedule_list()[index].name : nullptr;
}

const char* pyoptim_schedule_doc(size_t index) {
  return index < pyoptim_schedule_count() ? schedules::schedule_list()[index].doc : nullptr;
}
