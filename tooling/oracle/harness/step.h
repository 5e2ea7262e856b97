#ifndef ENTRESOL_STEP_H
#define ENTRESOL_STEP_H
#include "child.h"

struct cpu {
  struct shared shared;
  pid_t pid;
  uint8_t *xstate; // as NT_X86_XSTATE gives it
  size_t xstate_size;
  uint8_t *xstate_set; // what the child is known to hold
  int xstate_known;
};

void cpu_start(struct cpu *cpu);
// Runs one case whose code and data are already in the shared memory. `extended` is in and out.
void cpu_step(struct cpu *cpu, const struct case_header *input, const uint8_t *code, struct extended *extended, struct outcome_header *out);
#endif
