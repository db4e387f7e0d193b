#include "engine/text.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace pyoptim {
namespace {

template <class F>
std::string shortest(F number) {
  if (number != number) return "nan";  // whatever its sign
  char buffer[32];                     // the longest double has 24 characters
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  return error == std::errc() ? std::string(buffer, end) : "a number";
}

}  // namespace

std::string text(double number) { return shortest(number); }
std::string text(float number) { return shortest(number); }

std::optional<double> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
  double number = 0;
  const char* const begin = text.data();
  const auto [end, error] = std::from_chars(begin, begin + text.size(), number);
  if (error != std::errc()) return {};
  text.remove_prefix(std::size_t(end - begin));
  return number;
}

}  // namespace pyoptim
