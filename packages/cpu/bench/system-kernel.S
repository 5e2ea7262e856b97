# A bare multiboot kernel for system.ts: enters long mode, runs one loop per test, and prints "name count" before and "." after each on COM1.
# Page tables: 0x200000.. identity map of 1 GiB in 2 MiB pages for everyone; 0x40000000.. 512 pages of 4 KiB on frames from 0x400000 on.
.set PML4, 0x200000
.set PDPT, 0x201000
.set PD0, 0x202000
.set PD1, 0x203000
.set PT, 0x204000
.set PAGES, 0x40000000
.set IDT, 0x206000
.set TSS, 0x207000
.set XAREA, 0x208000
.set GSAREA, 0x20a000
.set BUFFER, 0x300000
.set USER_STACK, 0x2f0000
.set KERNEL_STACK, 0x2e0000
.set INNER_STACK, 0x2d0000

.code32
.globl _start
_start:
  .long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
  .long _start, _start, end, end, enter
enter:
  cld
  mov $0xff, %al            # no interrupts from the PICs
  out %al, $0x21
  out %al, $0xa1
  mov $PML4, %edi
  xor %eax, %eax
  mov $0x4000, %ecx
  rep stosl
  movl $PDPT + 7, PML4
  movl $PD0 + 7, PDPT
  movl $PD1 + 7, PDPT + 8
  movl $PT + 7, PD1
  mov $0x87, %eax
  xor %ecx, %ecx
1: mov %eax, PD0(,%ecx,8)
  add $0x200000, %eax
  inc %ecx
  cmp $512, %ecx
  jb 1b
  mov $0x400067, %eax
  xor %ecx, %ecx
2: mov %eax, PT(,%ecx,8)
  add $0x1000, %eax
  inc %ecx
  cmp $512, %ecx
  jb 2b
  mov $0x6a0, %eax          # PAE, PGE, OSFXSR, OSXMMEXCPT
  mov %eax, %cr4
  mov $PML4, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx
  mov $0x901, %eax          # SCE, LME, NXE
  xor %edx, %edx
  wrmsr
  mov $0x80010033, %eax
  mov %eax, %cr0
  lgdt gdtr
  ljmp $0x10, $long_entry

.code64
long_entry:
  mov $0x18, %eax
  mov %eax, %ss
  mov %eax, %ds
  mov %eax, %es
  mov $KERNEL_STACK, %rsp
  lidt idtr
  movq $INNER_STACK, TSS + 4
  mov $0x40, %eax
  ltr %ax
  # gate: vector, handler, access
  mov $0x80, %edi
  lea plain_handler(%rip), %rsi
  mov $0xee, %edx
  call set_gate
  mov $0x81, %edi
  lea returned(%rip), %rsi
  mov $0xee, %edx
  call set_gate
  mov $14, %edi
  lea fault_handler(%rip), %rsi
  mov $0x8e, %edx
  call set_gate
  mov $0xc0000081, %ecx     # STAR
  xor %eax, %eax
  mov $0x00230010, %edx
  wrmsr
  mov $0xc0000082, %ecx     # LSTAR
  lea syscall_plain(%rip), %rax
  xor %edx, %edx
  wrmsr
  mov $0xc0000084, %ecx     # SFMASK
  mov $0x47700, %eax
  xor %edx, %edx
  wrmsr
  mov $0xc0000102, %ecx     # KERNEL_GS_BASE
  mov $GSAREA, %eax
  xor %edx, %edx
  wrmsr
  movq $INNER_STACK, GSAREA + 8
  jmp tests

set_gate:
  shl $4, %edi
  add $IDT, %edi
  movzwl %si, %eax
  or $0x100000, %eax
  mov %eax, (%rdi)
  mov %esi, %eax
  and $0xffff0000, %eax
  shl $8, %edx
  or %edx, %eax
  mov %eax, 4(%rdi)
  movq $0, 8(%rdi)
  ret

print:                      # rsi: zero-terminated
  mov $0x3f8, %edx
1: lodsb
  test %al, %al
  jz 2f
  out %al, (%dx)
  jmp 1b
2: ret

# Handlers
plain_handler:
  iretq
fault_handler:              # marks the page present and the next one absent
  push %rax
  push %rdx
  mov %cr2, %rax
  sub $PAGES, %rax
  shr $12, %rax
  orq $1, PT(,%rax,8)
  inc %eax
  and $63, %eax
  andq $-2, PT(,%rax,8)
  shl $12, %eax
  add $PAGES, %rax
  invlpg (%rax)
  pop %rdx
  pop %rax
  add $8, %rsp
  iretq
syscall_plain:
  sysretq
syscall_kernel:             # what a kernel does at least
  swapgs
  mov %rsp, %gs:0
  mov %gs:8, %rsp
  push $0x2b
  push %gs:0
  push %r11
  push $0x33
  push %rcx
  push %rax
  push %rdi
  push %rsi
  push %rdx
  push %r8
  push %r9
  push %r10
  sti
  nop
  cli
  pop %r10
  pop %r9
  pop %r8
  pop %rdx
  pop %rsi
  pop %rdi
  pop %rax
  pop %rcx
  add $8, %rsp
  pop %r11
  pop %rsp
  swapgs
  sysretq

.macro begin name, count
  .pushsection .rodata
  7: .asciz "\name \count\n"
  .popsection
  lea 7b(%rip), %rsi
  call print
  mov $\count, %ebx
.endm
.macro test name, count
  begin \name, \count
  .balign 64
.endm
.macro done
  dec %ebx
  jnz 8b
  lea dot(%rip), %rsi
  call print
.endm
.macro lstar target
  mov $0xc0000082, %ecx
  lea \target(%rip), %rax
  xor %edx, %edx
  wrmsr
.endm
tests:
  test loop 20000000
8: nop
  done

  # ring transitions
  begin syscall+sysret, 400000
  lstar syscall_plain
  call user_syscalls
  begin syscall+kernel-entry+sysret, 200000
  lstar syscall_kernel
  call user_syscalls
  begin int+iretq-user, 200000
  call user_interrupts

  test int+iretq-kernel 200000
8: int $0x80
  done

  begin page-fault, 100000
  call user_faults

  test cr3 100000
8: mov %cr3, %rax
  mov %rax, %cr3
  done

  test cr3+40-pages 20000
8: mov %cr3, %rax
  mov %rax, %cr3
  mov $PAGES + 64 * 4096, %edi
  mov $40, %ecx
9: mov (%rdi), %eax
  add $4096 + 64, %rdi
  dec %ecx
  jnz 9b
  done

  test cr3+40-stores 20000
8: mov %cr3, %rax
  mov %rax, %cr3
  mov $PAGES + 64 * 4096, %edi
  mov $40, %ecx
9: mov %eax, (%rdi)
  add $4096 + 64, %rdi
  dec %ecx
  jnz 9b
  done

  test invlpg+load 200000
8: mov $PAGES + 64 * 4096, %edi
  invlpg (%rdi)
  mov (%rdi), %eax
  done

  # flags
  test cli+sti 1000000
8: cli
  nop
  sti
  nop
  done
  cli
  test pushf+cli+popf 1000000
8: pushfq
  cli
  popfq
  done
  test swapgs 2000000
8: swapgs
  done
  test rdtsc 1000000
8: rdtsc
  done
  test wrmsr-fsbase 500000
  mov $0xc0000100, %ecx
8: mov $0x1234, %eax
  xor %edx, %edx
  wrmsr
  done
  test rdmsr-gsbase 500000
  mov $0xc0000101, %ecx
8: rdmsr
  done
  test out-port 300000
8: out %al, $0x80
  done
  test in-port 300000
8: in $0x84, %al
  done
  test cpuid 200000
8: push %rbx
  xor %eax, %eax
  cpuid
  pop %rbx
  done
  test mov-sreg 500000
8: mov %ds, %eax
  mov %eax, %ds
  mov %eax, %es
  done
  test clts+cr0 200000
8: clts
  mov %cr0, %rax
  or $8, %eax
  mov %rax, %cr0
  done
  clts
  test fxsave+fxrstor 100000
8: fxsave XAREA
  fxrstor XAREA
  done
  mov %cr4, %rax
  or $0x40000, %eax
  mov %rax, %cr4
  xor %ecx, %ecx
  mov $7, %eax
  xor %edx, %edx
  xsetbv
  test xsaveopt+xrstor 100000
8: mov $-1, %eax
  mov $-1, %edx
  xsaveopt XAREA
  xrstor XAREA
  done

  # strings
  .macro move name, count, bytes, instruction
  test \name \count
8: mov $BUFFER, %esi
  mov $BUFFER + 0x10000, %edi
  mov $\bytes, %ecx
  rep \instruction
  done
  .endm
  move rep-movsb-16, 1000000, 16, movsb
  move rep-movsb-64, 500000, 64, movsb
  move rep-movsb-256, 200000, 256, movsb
  move rep-movsb-4096, 20000, 4096, movsb
  move rep-movsq-4096, 40000, 512, movsq
  move rep-stosb-64, 500000, 64, stosb
  move rep-stosq-4096, 40000, 512, stosq

  # data beside code that runs
  test store-beside-code 500000
8: mov %rbx, beside(%rip)
  done
  .byte 0xeb, 14            # jmp over the data
beside:
  .fill 14, 1, 0x90

  lea finished(%rip), %rsi
  call print
  cli
1: hlt
  jmp 1b

user_syscalls:
  pop %r15
  mov $1f, %r14
  jmp to_user
1: syscall
  dec %ebx
  jnz 1b
  jmp from_user
user_interrupts:
  pop %r15
  mov $1f, %r14
  jmp to_user
1: int $0x80
  dec %ebx
  jnz 1b
  jmp from_user
user_faults:
  pop %r15
  andq $-2, PT
  andq $-2, PT + 8
  invlpg PAGES
  invlpg PAGES + 4096
  mov $1f, %r14
  jmp to_user
1: xor %ecx, %ecx
2: mov %ecx, %edi
  shl $12, %edi
  mov PAGES(%rdi), %eax
  inc %ecx
  and $63, %ecx
  dec %ebx
  jnz 2b
  jmp from_user
to_user:
  push $0x2b
  push $USER_STACK
  push $0x202
  push $0x33
  push %r14
  iretq
# Ring 3 comes back by a gate of its own.
from_user:
  int $0x81
returned:
  mov $KERNEL_STACK, %rsp
  mov $0x18, %eax
  mov %eax, %ss
  mov %r15, %r14
  lea dot(%rip), %rsi
  call print
  jmp *%r14

.balign 8
gdt:
  .quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0x00cff3000000ffff, 0x00affb000000ffff, 0
  .quad 0x0000890000000067 + ((TSS & 0xffffff) << 16), 0
gdtr: .word gdtr - gdt - 1
  .quad gdt
idtr: .word 0xfff
  .quad IDT
dot: .asciz ".\n"
finished: .asciz "finished\n"
.section .rodata
.data
end:
