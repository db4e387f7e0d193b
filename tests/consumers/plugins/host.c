/* Loads plugins, runs them and unloads them again, as often as is said: host TIMES PLUGIN... */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
  const int times = count > 1 ? atoi(arguments[1]) : 0;
  int i, k;
  for (i = 0; i < times; ++i)
    for (k = 2; k < count; ++k) {
      void *const plugin = dlopen(arguments[k], RTLD_NOW | RTLD_LOCAL);
      int (*run)(void);
      if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
      }
      *(void **)&run = dlsym(plugin, "run");
      if (run == NULL || run() != 0) return 1;
      if (dlclose(plugin) != 0) return 1;
    }
  printf("done\n");
  return 0;
}
