// Brings a schedule of one library to the optimizer of another: both RATES TRAINS
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>

namespace {

template <class Function>
Function* found(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 1;
  void* const rates = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  void* const trains = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
  if (rates == nullptr || trains == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  auto* const new_rate = found<void*()>(rates, "new_rate");
  auto* const delete_rate = found<void(void*)>(rates, "delete_rate");
  auto* const unrelated = found<void()>(rates, "unrelated");
  auto* const thrown_by_step = found<const char*(void*, std::int64_t)>(trains, "thrown_by_step");
  void* const rate = new_rate();
  for (std::int64_t step = 0; step < 3; ++step) {
    std::printf("%s\n", thrown_by_step(rate, step));
    unrelated();
  }
  delete_rate(rate);
  dlclose(rates);
  dlclose(trains);
}
