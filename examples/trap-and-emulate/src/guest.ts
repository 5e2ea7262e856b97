import { absolute, assemble, dword, near, text } from './assembler.ts'
import type { Line } from './assembler.ts'
import { PROBE_PORT, PROBES } from './probes.ts'

export const GUEST_ORIGIN = 0x1000
/** Where the guest keeps its tables, and its stack's top. */
export const GUEST_GDT = 0x4000
export const GUEST_IDT = 0x5000
export const GUEST_STACK = 0x8000
export const CONSOLE_PORT = 0xe9
export const TIMER_PORT = 0x40
export const TIMER_VECTOR = 0x20

/** Reports EAX as what the instruction of this name showed. */
const report = (instruction: string): Line => [0xe7, PROBE_PORT + PROBES.findIndex((probe) => probe.instruction === instruction)] // out port, eax

/** An IDT entry's bytes for a 32-bit interrupt gate to 8:label, built by the guest itself. */
const gate = (vector: number, label: string): Line[] => [
  [0xb8, absolute(label)], // mov eax, label
  [0x66, 0xa3, ...dword(GUEST_IDT + vector * 8)], // mov [gate], ax
  [0x66, 0xc7, 0x05, ...dword(GUEST_IDT + vector * 8 + 2), 0x08, 0x00], // mov word [gate + 2], 8
  [0xc6, 0x05, ...dword(GUEST_IDT + vector * 8 + 5), 0x8e], // mov byte [gate + 5], present, DPL 0, 32-bit interrupt gate
  [0xc1, 0xe8, 16], // shr eax, 16
  [0x66, 0xa3, ...dword(GUEST_IDT + vector * 8 + 6)] // mov [gate + 6], ax
]

const start: Line[] = [
  'start:',
  [0x0f, 0x01, 0x15, absolute('gdtr')], // lgdt [gdtr]
  [0x0f, 0x01, 0x1d, absolute('idtr')], // lidt [idtr]
  [0xea, absolute('reload'), 0x08, 0x00], // jmp 8:reload
  'reload:',
  [0x66, 0xb8, 0x10, 0x00], // mov ax, 10h
  [0x8e, 0xd8], // mov ds, ax
  [0x8e, 0xc0], // mov es, ax
  [0x8e, 0xd0], // mov ss, ax          SS must have RPL = CPL: traps
  [0xbc, ...dword(GUEST_STACK)], // mov esp, stack
  [0x66, 0xb8, 0x28, 0x00], // mov ax, 28h
  [0x0f, 0x00, 0xd0], // lldt ax
  [0x66, 0xb8, 0x18, 0x00], // mov ax, 18h
  [0x0f, 0x00, 0xd8], // ltr ax
  [0x0f, 0x20, 0xc0], // mov eax, cr0
  [0x0c, 0x20], // or al, NE
  [0x0f, 0x22, 0xc0], // mov cr0, eax
  ...gate(13, 'on_protection'), ...gate(TIMER_VECTOR, 'on_timer'), ...gate(0x80, 'on_call')
]

/** Prints through the console port: an exit for every character, which is why paravirtual consoles exist. */
const print: Line[] = [
  'ready:',
  [0xbe, absolute('greeting')], // mov esi, greeting
  'next_character:',
  [0xac], // lodsb
  [0x84, 0xc0], // test al, al
  [0x74, near('printed')], // jz printed
  [0xe6, CONSOLE_PORT], // out console, al
  [0xeb, near('next_character')], // jmp next_character
  'printed:'
]

/** A system call, three timer interrupts waited for with HLT, and a load beyond the guest's memory. */
const work: Line[] = [
  [0xb8, ...dword(20)], // mov eax, 20
  [0xcd, 0x80], // int 80h
  [0xa3, absolute('call_result')], // mov [call_result], eax
  [0xb0, 3], // mov al, 3
  [0xe6, TIMER_PORT], // out timer, al      three ticks, please
  'wait:',
  [0xfb], // sti
  [0xf4], // hlt
  [0x83, 0x3d, absolute('ticks'), 3], // cmp dword [ticks], 3
  [0x72, near('wait')], // jb wait
  [0xfa], // cli
  [0xc7, 0x05, absolute('recovery'), absolute('recovered')], // mov dword [recovery], recovered
  [0xa1, ...dword(0x110000)], // mov eax, [110000h]   the monitor's memory: #GP for the guest
  'recovered:'
]

/** Interrupts are off (virtually) from here on. */
const probes: Line[] = [
  [0x0f, 0x20, 0xc0], // mov eax, cr0
  report('MOV r, CR0'),
  [0x31, 0xc0], // xor eax, eax
  [0x0f, 0xa2], // cpuid
  [0x89, 0xd8], // mov eax, ebx
  report('CPUID'),
  [0x68, ...dword(0x202)], // push IF
  [0x6a, 0x08], // push 8
  [0x68, absolute('returned')], // push returned
  [0xcf], // iret
  'returned:',
  [0xb8, ...dword(0x200)], // mov eax, IF       what IRET was asked for
  report('IRET to ring 0'),
  [0xfa], // cli
  [0x9c], // pushf
  [0x58], // pop eax
  [0x25, ...dword(0x200)], // and eax, IF
  report('PUSHF'),
  [0x68, ...dword(0x202)], // push IF
  [0x9d], // popf
  [0xb8, ...dword(0x200)], // mov eax, IF       what POPF was asked for
  report('POPF'),
  [0x31, 0xc0], // xor eax, eax
  [0x8c, 0xc8], // mov eax, cs
  report('MOV r, CS'),
  [0x0e], // push cs
  [0x58], // pop eax
  report('PUSH CS'),
  [0x16], // push ss
  [0x58], // pop eax
  report('PUSH SS'),
  [0x9a, absolute('called'), 0x08, 0x00], // call 8:called
  'called:',
  [0x58], // pop eax           the return address
  [0x58], // pop eax           CS
  report('CALL FAR'),
  [0x68, ...dword(0x202)], // push IF
  [0x0e], // push cs           ring 1's selector: the IRET below need not trap
  [0x68, absolute('back')], // push back
  [0xcf], // iret
  'back:',
  [0xb8, ...dword(0x200)], // mov eax, IF
  report('IRET to pushed CS'),
  [0xbb, ...dword(8)], // mov ebx, 8
  [0x0f, 0x02, 0xc3], // lar eax, ebx
  [0x25, ...dword(0xf0ff00)], // and eax, F0FF00h
  report('LAR'),
  [0xbb, ...dword(0x10)], // mov ebx, 10h
  [0x0f, 0x03, 0xc3], // lsl eax, ebx
  report('LSL'),
  [0x0f, 0x01, 0x05, absolute('pseudo')], // sgdt [pseudo]
  [0xa1, absolute('pseudo_base')], // mov eax, [pseudo + 2]
  report('SGDT'),
  [0x0f, 0x01, 0x0d, absolute('pseudo')], // sidt [pseudo]
  [0xa1, absolute('pseudo_base')], // mov eax, [pseudo + 2]
  report('SIDT'),
  [0x31, 0xc0], // xor eax, eax
  [0x0f, 0x00, 0xc0], // sldt eax
  report('SLDT'),
  [0x31, 0xc0], // xor eax, eax
  [0x0f, 0x00, 0xc8], // str eax
  report('STR'),
  [0x31, 0xc0], // xor eax, eax
  [0x0f, 0x01, 0xe0], // smsw eax
  [0x25, ...dword(0xffff)], // and eax, FFFFh
  report('SMSW')
]

/** What it comes to: a critical section as every kernel has them. On a real processor the timer would end the HLT. */
const lost: Line[] = [
  [0xb0, 1], // mov al, 1
  [0xe6, TIMER_PORT], // out timer, al
  [0xfb], // sti
  [0x9c], // pushf             interrupts are on: so says the image
  [0xfa], // cli
  [0x9d], // popf              and so they should be again
  'sleep:',
  [0xf4], // hlt
  [0xfa], // cli
  [0xf4] // hlt
]

const handlers: Line[] = [
  'on_timer:',
  [0xff, 0x05, absolute('ticks')], // inc dword [ticks]
  [0xcf], // iret
  'on_call:',
  [0x8d, 0x44, 0x00, 0x02], // lea eax, [eax + eax + 2]
  [0xcf], // iret
  'on_protection:',
  [0x58], // pop eax           the error code
  [0xff, 0x05, absolute('protection_faults')], // inc dword [protection_faults]
  [0xa1, absolute('recovery')], // mov eax, [recovery]
  [0x89, 0x04, 0x24], // mov [esp], eax
  [0xcf] // iret
]

const data: Line[] = [
  'greeting:', text('hello from ring 1\n'),
  'gdtr:', [0x2f, 0], dword(GUEST_GDT),
  'idtr:', [0xff, 7], dword(GUEST_IDT),
  'ticks:', dword(0), 'call_result:', dword(0), 'recovery:', dword(0), 'protection_faults:', dword(0),
  'pseudo:', [0, 0], 'pseudo_base:', dword(0)
]

/** Null, flat code and data of ring 0 over 4 GiB, an available TSS, nothing, an LDT: the tables of a kernel that knows of no monitor. */
const DESCRIPTORS: readonly bigint[] = [0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x0000890060000067n, 0n, 0x0000820070000007n]

export interface GuestImage {
  /** What to load where, in guest physical addresses. */
  readonly parts: readonly { readonly address: number; readonly bytes: Uint8Array }[]
  readonly entry: number
  readonly labels: ReadonlyMap<string, number>
}

/** A kernel of about 500 bytes for 32-bit protected mode, written for ring 0. */
export function buildGuest(): GuestImage {
  const { bytes, labels } = assemble(GUEST_ORIGIN, [...start, ...print, ...work, ...probes, ...lost, ...handlers, ...data])
  const gdt = new Uint8Array(new BigUint64Array(DESCRIPTORS).buffer)
  return { parts: [{ address: GUEST_ORIGIN, bytes }, { address: GUEST_GDT, bytes: gdt }], entry: GUEST_ORIGIN, labels }
}
