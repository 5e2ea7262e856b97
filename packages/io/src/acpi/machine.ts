/** What the tables say about a board. Everything a guest learns through ACPI comes from here. */
export interface AcpiMachine {
  /** Local APIC IDs, the boot processor's first. */
  readonly apicIds: readonly number[]
  readonly localApicBase?: number
  readonly ioapic: { readonly id: number; readonly base: number }
  /** Base of the PM1/timer/GPE block (default 0x600) and the SCI's IRQ (default 9). */
  readonly pmBase?: number
  readonly sciIrq?: number
  /** Width of the PM timer, default 24. */
  readonly pmTimerBits?: 24 | 32
  readonly hpetBase?: number
  /** ECAM window; buses from 0. */
  readonly ecam?: { readonly base: number; readonly buses: number }
  /** Memory PCI devices may be placed in: below 4 GiB, and above. */
  readonly pciWindows: readonly { readonly base: number; readonly length: number }[]
  /** 8259A pair present (default true). */
  readonly pic?: boolean
  readonly i8042?: boolean
  readonly serial?: readonly { readonly port: number; readonly irq: number }[]
  /** virtio-mmio devices, in hardware-reduced tables: registers and the I/O APIC pin, level-triggered. */
  readonly virtioMmio?: readonly { readonly base: number; readonly length: number; readonly gsi: number }[]
  /**
   * Hardware-reduced ACPI (ACPI 6.5, 4.1): no PM registers, no SCI, no PCI; the tables only name processors, the I/O APIC, and serial
   * ports. The other fields about such hardware are ignored.
   */
  readonly hardwareReduced?: boolean
  /** Interrupt pins of function numbers in PCI slots use PIRQ links and I/O APIC pins from 16 (default 16). */
  readonly pirqGsiBase?: number
}

export const OEM_ID = 'ENTRSL'
export const OEM_TABLE_ID = 'ENTRESOL'
export const CREATOR_ID = 'ENTR'
