/** What CPUID announces. Built from a named model plus added and removed features (see models.ts). */
export interface CpuModel {
  readonly name: string
  /** Vendor string of leaf 0: decides where Intel and AMD differ (SYSCALL in compatibility mode, SYSENTER in long mode). */
  readonly vendor: CpuVendor
  /** Lower-case Linux /proc/cpuinfo names: decide which instruction rows exist. */
  readonly features: ReadonlySet<string>
  readonly physicalAddressBits: number
  /** EAX, EBX, ECX, EDX for a leaf and subleaf; dynamic bits (OSXSAVE, APIC enable, XCR0 sizes) are filled in by the instruction. */
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number]
}

export type CpuVendor = 'GenuineIntel' | 'AuthenticAMD'
