// Sets registers, steps one instruction on the CPU, reads what came out.
#define _GNU_SOURCE
#include "step.h"
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>

#define TF 0x100u
#define RF 0x10000u
// What ptrace lets a tracer set, and what every user program has: bit 1 and IF.
#define SETTABLE 0x44dd5u
#define FIXED 0x202u
#define PROGRAM_SECONDS 2
#define HLT 0xf4
#define XSTATE_BV 512
#define YMM_HIGH 576 // Intel SDM vol. 1, 13.5.3: CPUID (EAX=0DH,ECX=2).EBX is 240H on every CPU with AVX

static _Noreturn void die(const char *what) {
  fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
  exit(1);
}

void cpu_start(struct cpu *cpu) {
  cpu->pid = child_start(&cpu->shared);
  cpu->xstate_known = 0;
  if (cpu->xstate) return;
  cpu->xstate = calloc(1, 16384), cpu->xstate_set = calloc(1, 16384);
  struct iovec io = {cpu->xstate, 16384};
  if (ptrace(PTRACE_GETREGSET, cpu->pid, NT_X86_XSTATE, &io)) die("PTRACE_GETREGSET NT_X86_XSTATE");
  cpu->xstate_size = io.iov_len;
  if (io.iov_len < YMM_HIGH + 256) fprintf(stderr, "oracle: this CPU has no AVX state\n"), exit(1);
}

static void extended_set(struct cpu *cpu, const struct extended *e) {
  static uint8_t next[16384];
  memset(next, 0, cpu->xstate_size);
  memcpy(next, &e->fcw, 2), memcpy(next + 2, &e->fsw, 2), next[4] = e->ftw;
  memcpy(next + 24, &e->mxcsr, 4);
  for (int i = 0; i < 8; i++) memcpy(next + 32 + 16 * i, e->st[i], 10);
  for (int i = 0; i < 16; i++) memcpy(next + 160 + 16 * i, e->ymm[i], 16), memcpy(next + YMM_HIGH + 16 * i, e->ymm[i] + 16, 16);
  next[XSTATE_BV] = 7; // x87, SSE, AVX; all other components take their initial state
  if (cpu->xstate_known && !memcmp(next, cpu->xstate_set, cpu->xstate_size)) return;
  struct iovec io = {next, cpu->xstate_size};
  if (ptrace(PTRACE_SETREGSET, cpu->pid, NT_X86_XSTATE, &io)) die("PTRACE_SETREGSET NT_X86_XSTATE");
  memcpy(cpu->xstate_set, next, cpu->xstate_size);
  cpu->xstate_known = 1;
}

// Returns 1 when the state differs from what extended_set gave. FIP, FDP and FOP are left out: AMD CPUs save them only with an
// exception pending, so they are not comparable.
static int extended_get(struct cpu *cpu, struct extended *e) {
  struct iovec io = {cpu->xstate, cpu->xstate_size};
  if (ptrace(PTRACE_GETREGSET, cpu->pid, NT_X86_XSTATE, &io)) die("PTRACE_GETREGSET NT_X86_XSTATE");
  uint8_t *x = cpu->xstate, *was = cpu->xstate_set;
  if (!memcmp(x, was, 5) && !memcmp(x + 24, was + 24, 4) && !memcmp(x + 32, was + 32, 384) && !memcmp(x + YMM_HIGH, was + YMM_HIGH, 256)) {
    // Equal in what we record. Pointers or other components may have moved; force a fresh set if so.
    if (memcmp(x + 5, was + 5, 19) || (x[XSTATE_BV] & ~7) || x[XSTATE_BV + 1]) cpu->xstate_known = 0;
    return 0;
  }
  cpu->xstate_known = 0;
  memcpy(&e->fcw, x, 2), memcpy(&e->fsw, x + 2, 2), e->ftw = x[4];
  memcpy(&e->mxcsr, x + 24, 4);
  for (int i = 0; i < 8; i++) memcpy(e->st[i], x + 32 + 16 * i, 10);
  for (int i = 0; i < 16; i++) memcpy(e->ymm[i], x + 160 + 16 * i, 16), memcpy(e->ymm[i] + 16, x + YMM_HIGH + 16 * i, 16);
  return 1;
}

static void registers_to_user(const struct registers *r, struct user_regs_struct *u) {
  const uint64_t *g = r->gpr;
  *u = (struct user_regs_struct){
    .rax = g[0], .rcx = g[1], .rdx = g[2], .rbx = g[3], .rsp = g[4], .rbp = g[5], .rsi = g[6], .rdi = g[7],
    .r8 = g[8], .r9 = g[9], .r10 = g[10], .r11 = g[11], .r12 = g[12], .r13 = g[13], .r14 = g[14], .r15 = g[15],
    .orig_rax = -1ull, .rip = r->rip, .eflags = (r->rflags & SETTABLE & ~(uint64_t)TF) | FIXED, .fs_base = r->fs_base, .gs_base = r->gs_base,
    .es = r->es, .cs = r->cs, .ss = r->ss, .ds = r->ds, .fs = r->fs, .gs = r->gs};
}

static void registers_from_user(const struct user_regs_struct *u, struct registers *r) {
  uint64_t g[16] = {u->rax, u->rcx, u->rdx, u->rbx, u->rsp, u->rbp, u->rsi, u->rdi, u->r8, u->r9, u->r10, u->r11, u->r12, u->r13, u->r14, u->r15};
  *r = (struct registers){.rip = u->rip, .rflags = u->eflags & ~(uint64_t)RF, .fs_base = u->fs_base, .gs_base = u->gs_base,
    .es = u->es, .cs = u->cs, .ss = u->ss, .ds = u->ds, .fs = u->fs, .gs = u->gs};
  memcpy(r->gpr, g, sizeof g);
}

// Resumes; returns the stop signal, or 0 when the child is gone.
static int resume(struct cpu *cpu, int request, int signal) {
  if (ptrace(request, cpu->pid, 0, (void *)(intptr_t)signal)) die("resuming the child");
  int status;
  if (waitpid(cpu->pid, &status, __WALL) != cpu->pid) die("waitpid");
  return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static volatile sig_atomic_t out_of_time;
static pid_t running;

static void on_alarm(int number) {
  (void)number;
  out_of_time = 1;
  kill(running, SIGSTOP);
}

// Resumes a program, which may never end by itself.
static int resume_program(struct cpu *cpu) {
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  struct itimerval limit = {.it_value = {.tv_sec = PROGRAM_SECONDS}}, off = {0};
  running = cpu->pid, out_of_time = 0;
  if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &limit, NULL)) die("the time limit of a program");
  int signal = resume(cpu, PTRACE_CONT, 0);
  setitimer(ITIMER_REAL, &off, NULL);
  return signal;
}

// User programs may not halt: where they try, they are at their end.
static int at_halt(struct cpu *cpu, uint64_t rip) {
  return rip - CODE_ADDRESS < CODE_SIZE && cpu->shared.base[OFFSET_CODE + rip - CODE_ADDRESS] == HLT;
}

// Delivers the signal: the kernel builds a frame with trap number, error code and CR2 and stops at the handler's first instruction.
static void fault_from_frame(struct cpu *cpu, int signal, struct outcome_header *out) {
  struct user_regs_struct u;
  out->kind = OUTCOME_LOST;
  if (resume(cpu, PTRACE_SINGLESTEP, signal) != SIGTRAP || ptrace(PTRACE_GETREGS, cpu->pid, 0, &u)) return;
  uint8_t *stack = cpu->shared.base + OFFSET_STACK;
  const ucontext_t *context = (const void *)(uintptr_t)u.rdx; // third argument of an SA_SIGINFO handler
  if ((uint8_t *)context < stack || (uint8_t *)(context + 1) > stack + STACK_SIZE) return;
  out->kind = OUTCOME_FAULT;
  out->vector = context->uc_mcontext.gregs[REG_TRAPNO];
  out->error_code = context->uc_mcontext.gregs[REG_ERR];
  out->address = out->vector == 14 ? context->uc_mcontext.gregs[REG_CR2] : 0;
  // Linux reports kernel-half addresses as protection violations whatever the page table says; in our layout nothing is mapped there.
  if (out->vector == 14 && out->address >= 0x7ffffffff000) out->error_code &= ~1u;
}

static void restart(struct cpu *cpu) {
  int status;
  kill(cpu->pid, SIGKILL);
  while (waitpid(cpu->pid, &status, __WALL) == cpu->pid && !WIFSIGNALED(status) && !WIFEXITED(status));
  cpu_start(cpu);
}

// A POPF left TF or ID behind: ptrace cannot clear ID, and takes a TF that the program set for the program's own. Have the child
// pop clean flags itself, running free up to a breakpoint.
void clean_flags(void);
__asm__(".text\nclean_flags: popfq\nint3\n");

static void repair(struct cpu *cpu) {
  uint64_t *stack = (uint64_t *)(cpu->shared.base + OFFSET_STACK), flags = FIXED;
  struct user_regs_struct u;
  int status;
  *stack = flags;
  if (ptrace(PTRACE_GETREGS, cpu->pid, 0, &u)) die("PTRACE_GETREGS");
  u.cs = 0x33, u.ss = 0x2b, u.rsp = (uintptr_t)stack, u.rip = (uintptr_t)clean_flags, u.eflags = FIXED;
  if (ptrace(PTRACE_SETREGS, cpu->pid, 0, &u) || ptrace(PTRACE_CONT, cpu->pid, 0, 0)) die("PTRACE_CONT");
  if (waitpid(cpu->pid, &status, __WALL) != cpu->pid || !WIFSTOPPED(status)) die("repair");
}

static const uint8_t *skip_prefixes(const uint8_t *code, const uint8_t *end, int is64) {
  while (code < end && (memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3", *code, 11) || (is64 && (*code & 0xf0) == 0x40))) code++;
  return code;
}

// What single stepping itself changes: PUSHF stores our trap flag, and MOV SS / POP SS hold the trap back for one more instruction
// (the NOP that follows the code).
static void undo_single_step(struct cpu *cpu, const uint8_t *opcode, uint64_t next, struct outcome_header *out) {
  if (*opcode == 0x9c) {
    uint64_t at = out->registers.gpr[4] + 1 - DATA_ADDRESS;
    if (at < DATA_SIZE) cpu->shared.base[OFFSET_DATA + at] &= ~1;
  }
  if ((*opcode == 0x8e || *opcode == 0x17) && out->registers.rip == next + 1) out->registers.rip = next;
}

void cpu_step(struct cpu *cpu, const struct case_header *input, const uint8_t *code, struct extended *extended, struct outcome_header *out) {
  struct user_regs_struct u;
  uint64_t start = input->registers.rip;
  const uint8_t *end = code + input->code_length, *opcode = skip_prefixes(code, end, input->registers.cs == 0x33);
  registers_to_user(&input->registers, &u);
  if (ptrace(PTRACE_SETREGS, cpu->pid, 0, &u)) die("PTRACE_SETREGS");
  extended_set(cpu, extended);
  int signal, straight = input->flags & CASE_STRAIGHT && start + input->code_length < CODE_ADDRESS + CODE_SIZE;
  uint8_t *behind = cpu->shared.base + OFFSET_CODE + (start + input->code_length - CODE_ADDRESS);
  uint32_t steps = 0;
  int program = input->flags & CASE_PROGRAM;
  if (straight) *behind = 0xcc;
  do {
    signal = program ? resume_program(cpu) : resume(cpu, straight ? PTRACE_CONT : PTRACE_SINGLESTEP, 0);
    if (!signal) {
      out->kind = OUTCOME_LOST;
      cpu_start(cpu);
      return;
    }
    steps++;
    if (ptrace(PTRACE_GETREGS, cpu->pid, 0, &u)) die("PTRACE_GETREGS");
  } while (!program && (input->flags & CASE_REPEAT) && signal == SIGTRAP && !straight && u.rip == start && steps < input->step_limit);
  if (straight) *behind = 0x90;
  out->steps = steps;
  registers_from_user(&u, &out->registers);
  if (extended_get(cpu, extended)) out->flags |= OUTCOME_HAS_EXTENDED;
  out->signal = signal;
  out->kind = OUTCOME_DONE;
  if (program && out_of_time) {
    out->kind = OUTCOME_STEP_LIMIT;
    restart(cpu); // its stop may still be pending
    return;
  }
  if (program && signal == SIGSEGV && at_halt(cpu, u.rip)) {
    // Nothing is left to do.
  } else if (signal == SIGTRAP && straight) {
    if (u.rip == start + input->code_length + 1) out->registers.rip--;
    else out->kind = OUTCOME_LOST; // not one instruction after all
  } else if (signal == SIGTRAP) {
    siginfo_t info = {.si_code = TRAP_TRACE};
    if (opcode < end && strchr("\xcc\xcd\xf1", *opcode) && ptrace(PTRACE_GETSIGINFO, cpu->pid, 0, &info)) die("PTRACE_GETSIGINFO");
    if (info.si_code == SI_KERNEL) out->kind = OUTCOME_FAULT, out->vector = 3; // INT3
    else if (info.si_code == TRAP_BRKPT) out->kind = OUTCOME_FAULT, out->vector = 1; // INT1: #DB without DR6.BS
    else if ((input->flags & CASE_REPEAT) && u.rip == start) out->kind = OUTCOME_STEP_LIMIT;
  } else if (signal == SIGSYS) {
    out->kind = OUTCOME_SYSTEM_CALL;
    restart(cpu); // a single-step report of the system call's exit is still pending in this one
    return;
  } else {
    fault_from_frame(cpu, signal, out);
  }
  if (out->kind == OUTCOME_LOST) {
    restart(cpu);
    return;
  }
  if (out->registers.rflags & ~(uint64_t)SETTABLE & ~(uint64_t)FIXED || out->registers.rflags & TF) repair(cpu);
  if (out->kind == OUTCOME_DONE && !straight && !program && opcode < end) undo_single_step(cpu, opcode, start + input->code_length, out);
}
