#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <system_error>

namespace pyoptim {
namespace {

template <class F>
std::string shortest(F number) {
  if (number != number) return "nan";  // ignores the sign
  char buffer[32];                     // the longest double has 24 characters
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  return error == std::errc() ? std::string(buffer, end) : "a number";
}

struct CodePoints {
  std::uint32_t first, last;
};

/// The characters of Unicode 17's categories Cc, Cf, Zl, Zp and Zs, except the blank, in order.
constexpr CodePoints invisible[] = {
    {0x00, 0x1F},       {0x7F, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},
    {0x61C, 0x61C},     {0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},
    {0x8E2, 0x8E2},     {0x1680, 0x1680},   {0x180E, 0x180E},   {0x2000, 0x200F},
    {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},   {0xFEFF, 0xFEFF},
    {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F}};

bool is_invisible(std::uint32_t code) {
  const auto* const position = std::lower_bound(
      std::begin(invisible), std::end(invisible), code,
      [](const CodePoints& codes, std::uint32_t code) { return codes.last < code; });
  return position != std::end(invisible) && position->first <= code;
}

/// The first character of UTF-8 text and its number of bytes, which is 0 if the text is invalid.
struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return std::uint32_t(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {lead, 0};
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {lead, 0};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t min_code[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < min_code[bytes] || code > 0x10FFFF || is_surrogate) return {lead, 0};
  return {code, bytes};
}

/// Escapes a character as Python does in a string:
/// , \x1b, \u202e, \U000e0001.
std::size_t escape(std::uint32_t code, char* to) {
  const char letter = code == '\n' ? 'n' : code == '\r' ? 'r' : code == '\t' ? 't' : '\0';
  *to++ = '\\';
  if (letter != '\0') return *to = letter, 2;
  const int digits = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  *to++ = digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
  for (int i = digits - 1; i >= 0; --i) *to++ = "0123456789abcdef"[code >> (4 * i) & 0xFU];
  return std::size_t(digits) + 2;
}

/// Calls write(bytes, count) for each character in printable form, until it returns false.
template <class Write>
void each_shown(std::string_view text, const Write& write) {
  while (!text.empty()) {
    const auto [code, bytes] = first_of(text);
    const std::size_t read = std::max<std::size_t>(bytes, 1);
    char escaped[10];
    const bool is_plain = bytes > 0 && !is_invisible(code);
    if (!(is_plain ? write(text.data(), bytes) : write(escaped, escape(code, escaped)))) return;
    text.remove_prefix(read);
  }
}

}  // namespace

std::string text(double number) { return shortest(number); }
std::string text(float number) { return shortest(number); }

std::string index_text(std::int64_t index) {
  return std::to_string(index) + (index == INT64_MAX ? " or more" : "");
}

std::optional<double> parse_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
  double number = 0;
  const char* const begin = text.data();
  const auto [end, error] = std::from_chars(begin, begin + text.size(), number);
  if (error != std::errc()) return {};
  text.remove_prefix(std::size_t(end - begin));
  return number;
}

void show(std::string_view text, char* to, std::size_t size) noexcept {
  char* const end = to + size - 1;
  each_shown(text, [&](const char* bytes, std::size_t count) {
    if (count > std::size_t(end - to)) return false;
    std::memcpy(to, bytes, count);
    to += count;
    return true;
  });
  *to = '\0';
}

std::string shown(std::string_view text) {
  std::string all;
  each_shown(text, [&](const char* bytes, std::size_t count) {
    all.append(bytes, count);
    return true;
  });
  return all;
}

}  // namespace pyoptim
