import { CMOS_SIZE, RTC_CENTURY } from '../rtc/spec.ts'
import { RESET_CONTROL_PORT } from '../pci/piix3.ts'
import { dsdtBody } from './dsdt.ts'
import type { AcpiMachine } from './machine.ts'
import * as spec from './spec.ts'
import { table, TableWriter } from './table-writer.ts'

/** Differentiated system description table. Revision 2: 64-bit integers. */
export function dsdt(machine: AcpiMachine): Uint8Array {
  return table('DSDT', 2, (writer) => writer.u8(...dsdtBody(machine)))
}

/** Firmware ACPI control structure (5.2.10); 64-byte aligned in memory, no checksum. */
export function facs(): Uint8Array {
  return new TableWriter().text('FACS').u32(64).skipTo(32).u8(2).skipTo(64).bytes()
}

/** Where the FADT points: offsets of its pointers and their sizes. */
export const FADT_FIRMWARE_CTRL = 36
export const FADT_DSDT = 40
export const FADT_X_DSDT = 140

const FADT_WBINVD = 1 << 0
const FADT_PROC_C1 = 1 << 2
/** No sleep button, no RTC wake in fixed registers. */
const FADT_SLP_BUTTON = 1 << 5
const FADT_FIX_RTC = 1 << 6
const FADT_TMR_VAL_EXT = 1 << 8
const FADT_RESET_REG_SUP = 1 << 10
const FADT_HW_REDUCED = 1 << 20
const FADT_IAPC_BOOT_ARCH = 109
const BOOT_LEGACY_DEVICES = 1 << 0
const BOOT_8042 = 1 << 1
const BOOT_NO_VGA = 1 << 2
const BOOT_NO_CMOS_RTC = 1 << 5

/** Fixed ACPI description table, revision 3 (ACPI 2.0's layout of 244 bytes); pointers are zero. */
export function fadt(machine: AcpiMachine): Uint8Array {
  if (machine.hardwareReduced === true) return reducedFadt()
  const base = machine.pmBase ?? spec.ACPI_PM_BASE
  return table('FACP', 3, (w) => {
    w.u32(0).u32(0).u8(0, 0).u16(machine.sciIrq ?? spec.ACPI_SCI_IRQ)
    w.u32(spec.APM_CONTROL_PORT).u8(spec.ACPI_ENABLE, spec.ACPI_DISABLE, 0, 0)
    w.u32(base + spec.PM1_STATUS).u32(0).u32(base + spec.PM1_CONTROL).u32(0).u32(0).u32(base + spec.PM_TIMER).u32(base + spec.GPE0_STATUS).u32(0)
    // Lengths: PM1 event, control, PM2, timer, GPE0, GPE1; GPE1 base, C-state support.
    w.u8(4, 2, 0, 4, 4, 0, 0, 0)
    // Latencies above the limits: no C2, no C3 (5.2.9).
    w.u16(0xfff).u16(0xfff).u16(0).u16(0).u8(0, 0, 0, 0, RTC_CENTURY < CMOS_SIZE ? RTC_CENTURY : 0)
    w.u16(BOOT_LEGACY_DEVICES | (machine.i8042 === true ? BOOT_8042 : 0)).u8(0)
    w.u32(FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP | (machine.pmTimerBits === 32 ? FADT_TMR_VAL_EXT : 0))
    w.ioAddress(RESET_CONTROL_PORT, 8).u8(0x06).skipTo(132)
    w.u64(0).u64(0)
    w.ioAddress(base + spec.PM1_STATUS, 32).zero(12).ioAddress(base + spec.PM1_CONTROL, 16).zero(12).zero(12)
    w.ioAddress(base + spec.PM_TIMER, 32).ioAddress(base + spec.GPE0_STATUS, 32).zero(12)
  })
}

/** Revision 6 with nothing but a reset register: fields of fixed hardware are zero (5.2.9, HW_REDUCED_ACPI). */
function reducedFadt(): Uint8Array {
  return table('FACP', 6, (w) => {
    w.skipTo(FADT_IAPC_BOOT_ARCH).u16(BOOT_NO_VGA | BOOT_NO_CMOS_RTC).u8(0)
    w.u32(FADT_WBINVD | FADT_RESET_REG_SUP | FADT_HW_REDUCED)
    w.ioAddress(RESET_CONTROL_PORT, 8).u8(0x06).skipTo(276)
  })
}

/** MPS INTI flags: active high with level trigger; or as the bus says. */
const LEVEL_HIGH = 0x000d

/** Multiple APIC description table (5.2.12). */
export function madt(machine: AcpiMachine): Uint8Array {
  return table('APIC', 3, (w) => {
    w.u32(machine.localApicBase ?? 0xfee0_0000).u32(machine.pic === false ? 0 : 1)
    for (const [uid, id] of machine.apicIds.entries()) {
      if (id < 0xff) w.u8(0, 8, uid, id).u32(1)
      else w.u8(9, 16, 0, 0).u32(id).u32(1).u32(uid)
    }
    w.u8(1, 12, machine.ioapic.id, 0).u32(machine.ioapic.base).u32(0)
    if (machine.hardwareReduced !== true) w.u8(2, 10, 0, 0).u32(2).u16(0)
    const sci = machine.sciIrq ?? spec.ACPI_SCI_IRQ
    if (machine.hardwareReduced !== true) w.u8(2, 10, 0, sci).u32(sci).u16(LEVEL_HIGH)
    // NMI on LINT1 of every processor.
    w.u8(4, 6, 0xff).u16(0).u8(1)
  })
}

/** PCI Express memory-mapped configuration (PCI Firmware Specification 3.0, 4.1.2). */
export function mcfg(ecam: NonNullable<AcpiMachine['ecam']>): Uint8Array {
  return table('MCFG', 1, (w) => w.zero(8).u64(ecam.base).u16(0).u8(0, ecam.buses - 1).u32(0))
}

/** HPET description table (IA-PC HPET 1.0a, 3.2.4): the capability register's low half, memory space, number 0. */
export function hpetTable(base: number): Uint8Array {
  return table('HPET', 1, (w) => w.u32(0x8086_a201).u8(0, 64, 0, 0).u64(base).u8(0).u16(0x80).u8(0))
}
