# Guest of threads.test.ts: raw code for 8000h. `as guest.S -o guest.o && objcopy -O binary -j .text guest.o guest.bin`
# CPU 1 comes in by a start-up IPI (vector 8) and goes to 64-bit mode with the tables the test left at 1000h; CPU 0 is started there.
# A test's routine for CPU n is at table + 32 * test + 8 * n; the test's number is at 7000h, its count at 7008h. Done: 7010h + 8 * n.
.equ TEST, 0x7000
.equ COUNT, 0x7008
.equ DONE, 0x7010
.equ DATA, 0x20000
.equ RESULT, 0x30000
.equ STEP, 0x7040
.equ START, 0x7050
.org 0
.code16
start:  cli
        xorw %ax, %ax
        movw %ax, %ds
        lgdtl (gdtr - start + 0x8000)
        movl $0x20, %eax
        movl %eax, %cr4
        movl $0x1000, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000011, %eax
        movl %eax, %cr0
        ljmpl $8, $(long1 - start + 0x8000)
.align 8
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   .word 23
        .long gdt - start + 0x8000
.org 0x100
.code64
# CPU 0 comes in here, CPU 1 by long1.
long0:  xorl %ebx, %ebx
        jmp common
long1:  movl $0x10, %eax
        movl %eax, %ss
        movl $1, %ebx
common: movl $0x10000, %esp
        movl %ebx, %eax
        shll $12, %eax
        addl %eax, %esp
        movl TEST, %eax
        shll $5, %eax
        leal (%rax,%rbx,8), %eax
        leaq table(%rip), %rdx
        movq COUNT, %r8
        movslq (%rdx,%rax), %rax
        addq %rax, %rdx
        # Both begin together.
        lock incl START
1:      pause
        cmpl $2, START
        jne 1b
        call *%rdx
        movq $1, DONE(,%rbx,8)
idle:   hlt
        jmp idle
table:  .long count - table, 0, count - table, 0, 0, 0, 0, 0
        .long message0 - table, 0, message1 - table, 0, 0, 0, 0, 0
        .long buffer - table, 0, buffer - table, 0, 0, 0, 0, 0
        .long ping - table, 0, ping - table, 0, 0, 0, 0, 0
        .long patch0 - table, 0, patch1 - table, 0, 0, 0, 0, 0
# 0: every kind of locked addition to shared counters, aligned, inside and across quadwords, and a pair by CMPXCHG16B.
count:  movq %r8, %r9
        xorl %r10d, %r10d
1:      lock incl DATA
        movl $1, %eax
        lock xaddq %rax, DATA+8
        lock addw $1, DATA+0x13
        lock addl $1, DATA+0x1e
        lock subb $-1, DATA+0x29
        lock adcl $0, DATA+0x2c
        movq DATA+0x30, %rax
2:      movq %rax, %rcx
        incq %rcx
        lock cmpxchgq %rcx, DATA+0x30
        jne 2b
        movq DATA+0x40, %rax
        movq DATA+0x48, %rdx
        movq %rbx, %rsi
3:      movq %rax, %rbx
        movq %rdx, %rcx
        incq %rbx
        decq %rcx
        lock cmpxchg16b DATA+0x40
        jne 3b
        movl DATA+0x50, %eax
        movl DATA+0x54, %edx
4:      movl %eax, %ebx
        movl %edx, %ecx
        incl %ebx
        decl %ecx
        lock cmpxchg8b DATA+0x50
        jne 4b
        movq %rsi, %rbx
        # A spin lock by XCHG around an ordinary increment.
5:      movl $1, %eax
        xchgl %eax, DATA+0x60
        testl %eax, %eax
        jz 6f
        pause
        jmp 5b
6:      incq DATA+0x68
        movl $0, DATA+0x60
        movl %r9d, %ecx
        lock btcq %rcx, DATA+0x70
        decq %r9
        jnz 1b
        ret
# 1: message passing: stores are seen in their order, loads are done in theirs (SDM vol. 3, 9.2.3.2).
message0: movl $1, %eax
1:      movq %rax, DATA
        movq %rax, DATA+0x1000
        incq %rax
        cmpq %r8, %rax
        jbe 1b
        ret
message1: movq DATA+0x1000, %rax
        movq DATA, %rcx
        cmpq %rax, %rcx
        jae 1f
        incq RESULT
1:      cmpq %r8, %rax
        jb message1
        ret
# 2: store buffers: with MFENCE between, one of the two loads sees the other's store (9.2.3.4). Both wait for each other at every turn.
buffer: movl $1, %r9d
        movl %ebx, %r11d
        xorl $1, %r11d
        movl %ebx, %r12d
        shll $12, %r12d
        movl %r11d, %r13d
        shll $12, %r13d
1:      movq %r9, DATA(%r12)
        mfence
        movq DATA(%r13), %rax
        movq %rbx, %rcx
        imulq %r8, %rcx
        addq %r9, %rcx
        movq %rax, RESULT(,%rcx,8)
        movq %r9, STEP(,%rbx,8)
2:      cmpq %r9, STEP(,%r11,8)
        jae 3f
        pause
        jmp 2b
3:      incq %r9
        cmpq %r8, %r9
        jbe 1b
        ret
# 3: interrupts by x2APIC, one after the other: each handler counts and the main loop sends the next.
ping:   movl $0x1b, %ecx
        rdmsr
        orl $0xc00, %eax
        wrmsr
        movl $0x80f, %ecx
        movl $0x1ff, %eax
        xorl %edx, %edx
        wrmsr
        lidt idtr(%rip)
        # Both are ready: then CPU 0 begins.
        lock incl STEP
1:      pause
        cmpl $2, STEP
        jne 1b
        xorl %r10d, %r10d
        movl %ebx, %r15d
        xorl $1, %r15d
        testl %ebx, %ebx
        jnz 3f
2:      movl $0x830, %ecx
        movl $0x40, %eax
        movl %r15d, %edx
        wrmsr
3:      cli
        cmpq %r10, RESULT(,%rbx,8)
        jne 4f
        sti
        hlt
        jmp 3b
4:      sti
        incq %r10
        testl %ebx, %ebx
        jz 5f
        movl $0x830, %ecx
        movl $0x40, %eax
        movl %r15d, %edx
        wrmsr
        cmpq %r8, %r10
        jb 3b
        cli
        ret
5:      cmpq %r8, %r10
        jb 2b
        cli
        ret
handler: pushq %rax
        pushq %rcx
        pushq %rdx
        incq RESULT(,%rbx,8)
        movl $0x80b, %ecx
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        popq %rdx
        popq %rcx
        popq %rax
        iretq
.align 8
idtr:   .word 0xfff
        .quad 0x6000
# 4: CPU 0 changes the immediate of `victim`, says so, and waits until CPU 1 has executed the new code.
patch0: movl $1, %eax
1:      movl %eax, victim+1(%rip)
        movl %eax, STEP
2:      pause
        cmpl %eax, STEP+8
        jne 2b
        incl %eax
        cmpl %r8d, %eax
        jbe 1b
        ret
patch1: movl $1, %esi
1:      pause
        cmpl %esi, STEP
        jne 1b
        xorl %eax, %eax
        pushq %rbx
        cpuid
        popq %rbx
        call victim
        cmpl %esi, %eax
        je 2f
        incq RESULT
2:      movl %esi, STEP+8
        incl %esi
        cmpl %r8d, %esi
        jbe 1b
        ret
.align 64
victim: movl $0, %eax
        ret
