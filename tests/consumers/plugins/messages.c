/* Prints a number by the locale, and messages of errors, which do not depend on it. */
#include <locale.h>
#include <stdio.h>

#include "pyoptim/pyoptim.h"

int main(void) {
  const pyoptim_setting wrong[] = {{"lr", -1500000.5}, {"lr", -1e-310}, {"beta1", 1 + 0x1p-52}};
  const char *const rules[] = {"SGD", "SGD", "Adam"};
  pyoptim_argument arguments[2] = {{0}, {0}};
  pyoptim_optimizer *opt = NULL;
  pyoptim_schedule *rate = NULL;
  int i;
  if (setlocale(LC_ALL, "") == NULL) return 1;
  printf("%.2f\n", 1500000.5);
  for (i = 0; i < 3; ++i) {
    if (pyoptim_create(rules[i], &wrong[i], 1, &opt) == PYOPTIM_OK) return 1;
    printf("%s\n", pyoptim_last_error());
  }
  arguments[0].name = "lr";
  arguments[0].number = -0.1;
  arguments[1].name = "steps";
  arguments[1].number = 10;
  if (pyoptim_schedule_create("linear", arguments, 2, &rate) == PYOPTIM_OK) return 1;
  printf("%s\n", pyoptim_last_error());
  return 0;
}
