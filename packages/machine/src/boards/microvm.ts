import type { CharacterPort, Resettable } from '@entresol/interfaces'
import { InterruptRouter, IsaDebugExit, layOutAcpiTables, ResetControl, Uart16550 } from '@entresol/io'
import { VIRTIO_MMIO_SLOT_LENGTH } from '@entresol/virtio'
import { loadKernel } from '@entresol/loader'
import type { BootEntry, MemoryRegion } from '@entresol/loader'
import type { Board, BoardEvents } from '../board.ts'
import { attachMmioDevices } from '../devices/attach-mmio.ts'
import type { MachineOptions } from '../options.ts'
import { IOAPIC_BASE } from '../platform.ts'
import type { Platform } from '../platform.ts'
import { CodedError } from '@entresol/kit'
import type { TimerClock } from '../clock/timer-queue.ts'
import { memoryMap } from './memory-map.ts'
import { writeResetStub } from './reset-stub.ts'

/** Where the virtio-mmio slots are. */
const VIRTIO_MMIO_BASE = 0xfeb00000
const VIRTIO_MMIO_SLOTS = 16
/** GSI of slot 0, the others follow. */
const VIRTIO_MMIO_GSI = 5
const COM1 = 0x3f8
const COM1_IRQ = 4

/**
 * The smallest machine that runs a modern kernel: CPUs with local APICs, an I/O APIC, a UART and virtio-mmio slots. No PIC, no PIT,
 * no PCI, no ACPI registers: hardware-reduced tables name the processors, the I/O APIC, the UART and the slots taken; the guest keeps time with the TSC and the
 * local APIC.
 */
export class Microvm implements Board {
  readonly platform: Platform
  readonly #resets: Resettable[] = []
  readonly #slotsTaken: readonly number[]
  readonly #options: MachineOptions

  constructor(platform: Platform, clock: TimerClock, options: MachineOptions, serial: readonly CharacterPort[], events: BoardEvents) {
    if (options.kernel === undefined) throw new CodedError('no-kernel', 'the microvm board boots a kernel directly: give one (-kernel)')
    this.platform = platform
    this.#options = options
    const router = new InterruptRouter({ ioapic: (pin) => platform.ioapic.line(pin) })
    const uart = new Uart16550({ name: 'serial0', line: router.isaLine(COM1_IRQ), port: serial[0]!, clock })
    this.#resets.push(uart)
    platform.ports.map(COM1, uart)
    const slots = { base: VIRTIO_MMIO_BASE, count: VIRTIO_MMIO_SLOTS, line: (slot: number) => router.gsiLine(VIRTIO_MMIO_GSI + slot) }
    const services = { clock, work: events, cpus: platform.allVcpus.length, ram: platform.ram }
    this.#slotsTaken = attachMmioDevices(platform, slots, options.devices ?? [], services, (device) => this.#resets.push(device))
    platform.ports.map(0xcf9, new ResetControl(() => events.reset()))
    const exit = options.isaDebugExit
    if (exit) platform.ports.map(exit.iobase ?? 0x501, new IsaDebugExit({ iosize: exit.iosize ?? 2, onExit: (code) => events.exit(code) }))
  }

  powerOn(first: boolean): BootEntry {
    this.platform.reset()
    for (const device of this.#resets) device.reset()
    const map: readonly MemoryRegion[] = memoryMap(this.platform.ram.size)
    writeResetStub(this.platform.ram)
    const { rsdp } = layOutAcpiTables(this.platform.ram, {
      hardwareReduced: true, pic: false, pciWindows: [], apicIds: this.platform.allVcpus.map(({ id }) => id), ioapic: { id: 0, base: IOAPIC_BASE },
      serial: [{ port: COM1, irq: COM1_IRQ }],
      virtioMmio: this.#slotsTaken.map((slot) => (
        { base: VIRTIO_MMIO_BASE + slot * VIRTIO_MMIO_SLOT_LENGTH, length: VIRTIO_MMIO_SLOT_LENGTH, gsi: VIRTIO_MMIO_GSI + slot }
      )),
    })
    const { kernel, initrd, append } = this.#options
    return loadKernel({
      memory: this.platform.ram, map, kernel: kernel!, memoryIsZero: first, screen: 'none', rsdp,
      ...(initrd ? { initrd } : {}), ...(append === undefined ? {} : { commandLine: append }),
    }).entry
  }
}
