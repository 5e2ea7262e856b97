// The process whose registers the parent drives. It owns the fixed memory layout, takes every signal on an alternate stack that the
// parent can read (the signal frame is the only place where Linux tells a trap number and an error code), and may make no system call.
#define _GNU_SOURCE
#include "child.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
  _exit(1);
}

// Never runs: the parent stops the child at its first instruction and reads the frame below it.
static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  for (;;) __builtin_trap();
}

static void map_fixed(uint32_t address, size_t size, int protection, int fd, off_t offset) {
  void *at = mmap((void *)(uintptr_t)address, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, offset);
  if (at != (void *)(uintptr_t)address) die("mmap of the fixed layout");
}

static void confine(void) {
  // TRAP, not KILL: a SYSCALL instruction becomes SIGSYS, which the parent reports instead of losing the child.
  struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)};
  struct sock_fprog program = {.len = 1, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("seccomp");
}

static void child_main(struct shared *shared) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (ptrace(PTRACE_TRACEME, 0, 0, 0)) die("PTRACE_TRACEME");
  map_fixed(CODE_ADDRESS, CODE_SIZE, PROT_READ | PROT_EXEC, shared->fd, OFFSET_CODE);
  map_fixed(DATA_ADDRESS, DATA_SIZE, PROT_READ | PROT_WRITE, shared->fd, OFFSET_DATA);
  map_fixed(CONST_ADDRESS, CONST_SIZE, PROT_READ, shared->fd, OFFSET_CONST);
  stack_t stack = {.ss_sp = shared->base + OFFSET_STACK, .ss_size = STACK_SIZE};
  if (sigaltstack(&stack, NULL)) die("sigaltstack");
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], &action, NULL)) die("sigaction");
  confine();
  for (;;) __asm__ volatile("int3");
}

void shared_create(struct shared *shared) {
  shared->fd = memfd_create("oracle", MFD_CLOEXEC);
  if (shared->fd < 0 || ftruncate(shared->fd, SHARED_SIZE)) die("memfd");
  shared->base = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, shared->fd, 0);
  if (shared->base == MAP_FAILED) die("mmap of the shared memory");
}

pid_t child_start(struct shared *shared) {
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) child_main(shared);
  int status;
  if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
    fprintf(stderr, "oracle: the child did not reach its first stop (ptrace or seccomp refused?), status %x\n", status);
    exit(1);
  }
  if (ptrace(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_EXITKILL)) die("PTRACE_SETOPTIONS");
  return pid;
}
