// Numbers in messages: the shortest text that reads back, in every locale. Names: escaped.
#include <doctest.h>

#include <bit>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <locale>
#include <random>
#include <string>

#include "capi.hpp"
#include "core/text.hpp"

using namespace pyoptim;
using namespace pyoptim::test;

namespace {

/// German number formats, for C++ always and for C if the system has the locale.
class German {
 public:
  German() : before_(std::locale::global(std::locale(std::locale::classic(), new Numbers))) {
    std::setlocale(LC_ALL, "de_DE.UTF-8");
  }
  ~German() {
    std::setlocale(LC_ALL, "C");
    std::locale::global(before_);
  }
  German(const German&) = delete;
  German& operator=(const German&) = delete;

 private:
  struct Numbers : std::numpunct<char> {
    [[nodiscard]] char do_decimal_point() const override { return ','; }
    [[nodiscard]] char do_thousands_sep() const override { return '.'; }
    [[nodiscard]] std::string do_grouping() const override { return "\3"; }
  };
  std::locale before_;
};

}  // namespace

TEST_CASE("a number is the shortest text that reads back") {
  CHECK(text(0.1) == "0.1");
  CHECK(text(-1e-310) == "-1e-310");
  CHECK(text(std::nextafter(1.0, 2.0)) == "1.0000000000000002");
  CHECK(text(1500000.0) == "1500000");
  CHECK(text(0x1p53) == "9007199254740992");
  CHECK(text(1e300) == "1e+300");
  CHECK(text(-0.0) == "-0");
  CHECK(text(5e-324) == "5e-324");
  CHECK(text(HUGE_VAL) == "inf");
  CHECK(text(-HUGE_VAL) == "-inf");
  CHECK(text(std::nan("")) == "nan");
  CHECK(text(-std::nan("")) == "nan");
  CHECK(text(0.1F) == "0.1");
  CHECK(text(std::nextafter(1.0F, 2.0F)) == "1.0000001");
  std::mt19937_64 random(0);
  for (int i = 0; i < 10000; ++i) {
    const double number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    CHECK(std::strtod(text(number).c_str(), nullptr) == number);
    const auto narrow = float(std::ldexp(number, -std::ilogb(number) % 100));
    CHECK(std::strtof(text(narrow).c_str(), nullptr) == narrow);
  }
}

TEST_CASE("control characters in names are escaped") {
  const std::string name = "a\x1b[31m\r\n\t\x7f\u009b\u202e\u200b\U000E0001\u00e4\U0001F600'\\";
  const std::string escaped =
      "a\\x1b[31m\\r\\n\\t\\x7f\\x9b\\u202e\\u200b\\U000e0001\u00e4\U0001F600'\\";
  CHECK(shown(name) == escaped);
  CHECK(shown(escaped) == escaped);
  CHECK(shown("\x9b\xc3\xe2\x80(\xed\xa0\x80\xf5") == "\\x9b\\xc3\\xe2\\x80(\\xed\\xa0\\x80\\xf5");
  for (std::size_t size = 1; size < 12; ++size) {
    char cut[12];
    show("x\u00e4\x1b\u00e4y", cut, size);
    const std::string whole = "x\u00e4\\x1b\u00e4y", got = cut;
    CHECK(got.size() < size);
    CHECK(whole.starts_with(got));
    CHECK(shown(got) == got);
  }
}

TEST_CASE("messages do not depend on the locale") {
  const German german;
  CHECK(text(1500000.5) == "1500000.5");
  Fixture f;
  check_argument(pyoptim_set(f.opt, 0, "lr", -1e-310),
                 "lr must be at least 0 and finite, got -1e-310");
  check_argument(pyoptim_set(f.opt, 0, "lr", -1.5), "got -1.5");
  Fixture adam("Adam");
  check_argument(pyoptim_set(adam.opt, 0, "beta1", std::nextafter(1.0, 2.0)),
                 "in [0, 1), got 1.0000000000000002");
  const pyoptim_argument arguments[] = {{"lr", -1234567.5, nullptr, nullptr, nullptr, 0},
                                        {"steps", 10, nullptr, nullptr, nullptr, 0}};
  pyoptim_schedule* result = nullptr;
  check_argument(pyoptim_schedule_create("linear", arguments, 2, &result), "got -1234567.5");
  check_argument(pyoptim_set_steps(f.opt, -1234567), "got -1234567");
  check_argument(pyoptim_set_num_threads(123456), "got 123456");
}
