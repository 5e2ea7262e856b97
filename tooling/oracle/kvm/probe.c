// Does /dev/kvm run ring 0 on the hardware, or does it emulate it? A million iterations of a two-instruction loop tell: a few hundred
// picoseconds per instruction on hardware, hundreds of nanoseconds under emulation. Prints three numbers: nanoseconds per instruction
// in real mode, in long mode at CPL 0, and in long mode at CPL 3.
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define MEMORY 0x200000
#define CODE 0x1000
#define ITERATIONS 1000000

static int check(int result, const char *what) {
  if (result < 0) fprintf(stderr, "%s: %s\n", what, strerror(errno)), exit(1);
  return result;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void long_mode(uint8_t *memory, struct kvm_sregs *s, int cpl) {
  // One 2 MiB page, identity-mapped: present, writable, user, large.
  uint64_t tables[3] = {0x3007, 0x4007, 0x87};
  for (int i = 0; i < 3; i++) memcpy(memory + 0x2000 + 0x1000 * i, &tables[i], 8);
  s->cr3 = 0x2000, s->cr4 = 0x20, s->cr0 = 0x80050033, s->efer = 0x500;
  struct kvm_segment code = {.limit = 0xffffffff, .selector = 8 | cpl, .type = 11, .present = 1, .dpl = cpl, .s = 1, .l = 1, .g = 1};
  struct kvm_segment data = {.limit = 0xffffffff, .selector = 16 | cpl, .type = 3, .present = 1, .dpl = cpl, .s = 1, .db = 1, .g = 1};
  s->cs = code, s->ds = s->es = s->ss = s->fs = s->gs = data;
}

static double measure(int kvm, int is_long, int cpl) {
  static const uint8_t loop16[] = {0x66, 0xb9, 0x40, 0x42, 0x0f, 0x00, 0x66, 0x49, 0x75, 0xfc, 0xf4}; // mov ecx, 1000000; dec ecx; jnz; hlt
  static const uint8_t loop64[] = {0xb9, 0x40, 0x42, 0x0f, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0xf4};
  int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  uint8_t *memory = mmap(0, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) check(-1, "mmap");
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)memory};
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  struct kvm_sregs s;
  check(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
  s.cs.base = 0, s.cs.selector = 0;
  if (is_long) long_mode(memory, &s, cpl);
  memcpy(memory + CODE, is_long ? loop64 : loop16, is_long ? sizeof loop64 : sizeof loop16);
  struct kvm_regs r = {.rip = CODE, .rflags = 2};
  check(ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
  check(ioctl(vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
  double start = now();
  check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN"); // ends at HLT; at CPL 3 its #GP finds no IDT and shuts the VM down
  double time = now() - start;
  check(ioctl(vcpu, KVM_GET_REGS, &r), "KVM_GET_REGS");
  if ((uint32_t)r.rcx) fprintf(stderr, "the loop stopped at %u\n", (uint32_t)r.rcx), exit(1);
  return time / (2.0 * ITERATIONS);
}

int main(void) {
  int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  printf("%.3f %.3f %.3f\n", measure(kvm, 0, 0), measure(kvm, 1, 0), measure(kvm, 1, 3));
  return 0;
}
