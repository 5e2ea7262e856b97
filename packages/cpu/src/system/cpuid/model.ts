/** What CPUID announces. Built from a named model plus added and removed features (see models.ts). */
export interface CpuModel {
  readonly name: string
  /** Lower-case Linux /proc/cpuinfo names: decide which instruction rows exist. */
  readonly features: ReadonlySet<string>
  readonly physicalAddressBits: number
  /** EAX, EBX, ECX, EDX for a leaf and subleaf; dynamic bits (OSXSAVE, APIC id) are filled in by the instruction. */
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number]
}
