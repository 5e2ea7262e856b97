#ifndef ENTRESOL_CHILD_H
#define ENTRESOL_CHILD_H
#include "protocol.h"
#include <sys/types.h>

// One memfd seen by both processes; the child also maps the first three parts at their fixed addresses.
#define OFFSET_CODE 0
#define OFFSET_DATA (OFFSET_CODE + CODE_SIZE)
#define OFFSET_CONST (OFFSET_DATA + DATA_SIZE)
#define OFFSET_STACK (OFFSET_CONST + CONST_SIZE)
#define STACK_SIZE 0x10000
#define SHARED_SIZE (OFFSET_STACK + STACK_SIZE)

struct shared {
  int fd;
  uint8_t *base; // the same address in parent and child (mapped before fork)
};

void shared_create(struct shared *shared);
// Forks a child that is stopped, traced and confined.
pid_t child_start(struct shared *shared);
#endif
