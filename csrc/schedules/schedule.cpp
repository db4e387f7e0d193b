#include "schedules/schedule.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "schedules/all.hpp"

namespace pyoptim::schedules {
namespace {

template <class S>
SchedulePointer make_from(Arguments& arguments) {
  auto schedule = std::make_shared<const S>(arguments);
  arguments.check_all_taken();
  return schedule;
}

template <class... S>
SchedulePointer find_and_make(ScheduleList<S...> /*list*/, std::string_view name,
                              Arguments& arguments) {
  SchedulePointer schedule;
  const bool is_known = ((name == S::name && (schedule = make_from<S>(arguments))) || ...);
  if (is_known) return schedule;
  std::string known;
  for (const ScheduleInfo& info : schedule_list())
    known += (known.empty() ? "" : ", ") + std::string(info.name);
  throw std::invalid_argument("there is no schedule '" + std::string(name) + "'; there are " +
                              known);
}

template <class... S>
std::vector<ScheduleInfo> listed(ScheduleList<S...> /*list*/) {
  return {{S::name, S::doc}...};
}

}  // namespace

SchedulePointer make_schedule(std::string_view name, std::vector<Argument> arguments) {
  Arguments parsed(name, std::move(arguments));
  return find_and_make(AllSchedules{}, name, parsed);
}

const std::vector<ScheduleInfo>& schedule_list() {
  static const std::vector<ScheduleInfo> list = listed(AllSchedules{});
  return list;
}

}  // namespace pyoptim::schedules
