/* A plugin that makes steps on two threads. */
#include <stdio.h>
#include <stdlib.h>

#include "pyoptim/pyoptim.h"

int run(void) {
  const size_t shape[] = {200000};
  float *const w = calloc(shape[0], sizeof *w), *const grad = calloc(shape[0], sizeof *grad);
  const void *const grads[] = {grad};
  pyoptim_optimizer *opt = NULL;
  int i;
  pyoptim_status status = pyoptim_create("Adam", NULL, 0, &opt);
  if (w == NULL || grad == NULL) return 1;
  if (status == PYOPTIM_OK) status = pyoptim_set_option(opt, "num_threads", 2);
  if (status == PYOPTIM_OK) status = pyoptim_add_buffer(opt, "w", PYOPTIM_FLOAT32, w, 1, shape);
  if (status == PYOPTIM_OK) status = pyoptim_build(opt);
  for (i = 0; i < 3 && status == PYOPTIM_OK; ++i) status = pyoptim_step(opt, grads, 1, NULL);
  if (status != PYOPTIM_OK) fprintf(stderr, "%s\n", pyoptim_last_error());
  pyoptim_destroy(opt);
  free(grad);
  free(w);
  return (int)status;
}
