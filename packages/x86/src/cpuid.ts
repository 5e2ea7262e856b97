/** CPUID feature bits. Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E. Names are those of Linux /proc/cpuinfo. */

/** A word of feature flags: where CPUID returns it, and the name of each bit. */
export interface CpuidWord {
  readonly leaf: number
  readonly subleaf: number
  /** 0 EAX, 1 EBX, 2 ECX, 3 EDX. */
  readonly register: 0 | 1 | 2 | 3
  readonly bits: Readonly<Record<string, number>>
}

export const CPUID_WORDS: readonly CpuidWord[] = [
  { leaf: 1, subleaf: 0, register: 3, bits: {
    fpu: 0, vme: 1, de: 2, pse: 3, tsc: 4, msr: 5, pae: 6, mce: 7, cx8: 8, apic: 9, sep: 11, mtrr: 12, pge: 13, mca: 14, cmov: 15,
    pat: 16, pse36: 17, clflush: 19, mmx: 23, fxsr: 24, sse: 25, sse2: 26, ss: 27, ht: 28,
  } },
  { leaf: 1, subleaf: 0, register: 2, bits: {
    sse3: 0, pclmulqdq: 1, monitor: 3, vmx: 5, ssse3: 9, fma: 12, cx16: 13, pcid: 17, sse4_1: 19, sse4_2: 20, x2apic: 21, movbe: 22,
    popcnt: 23, tsc_deadline_timer: 24, aes: 25, xsave: 26, avx: 28, f16c: 29, rdrand: 30, hypervisor: 31,
  } },
  { leaf: 7, subleaf: 0, register: 1, bits: {
    fsgsbase: 0, tsc_adjust: 1, bmi1: 3, avx2: 5, smep: 7, bmi2: 8, erms: 9, invpcid: 10, rdseed: 18, adx: 19, smap: 20,
    clflushopt: 23, clwb: 24, sha_ni: 29,
  } },
  { leaf: 7, subleaf: 0, register: 2, bits: { umip: 2, la57: 16, rdpid: 22 } },
  { leaf: 7, subleaf: 0, register: 3, bits: { fsrm: 4, spec_ctrl: 26, arch_capabilities: 29 } },
  { leaf: 7, subleaf: 2, register: 3, bits: { bhi_ctrl: 4 } },
  { leaf: 0xd, subleaf: 1, register: 0, bits: { xsaveopt: 0, xsavec: 1, xgetbv1: 2 } },
  { leaf: 0x80000001, subleaf: 0, register: 3, bits: { syscall: 11, nx: 20, pdpe1gb: 26, rdtscp: 27, lm: 29 } },
  { leaf: 0x80000001, subleaf: 0, register: 2, bits: { lahf_lm: 0, svm: 2, abm: 5, sse4a: 6, '3dnowprefetch': 8 } },
  { leaf: 0x80000007, subleaf: 0, register: 3, bits: { constant_tsc: 8 } },
]

/** Dynamic bits of leaf 1. */
export const CPUID_1_ECX_OSXSAVE: number = 1 << 27
export const CPUID_1_EDX_APIC: number = 1 << 9
