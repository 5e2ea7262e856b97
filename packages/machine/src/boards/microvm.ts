import type { CharacterPort } from '@entresol/interfaces'
import { EmptyVirtioMmioSlot, InterruptRouter, IsaDebugExit, layOutAcpiTables, ResetControl, Uart16550, VIRTIO_MMIO_SLOT_LENGTH } from '@entresol/io'
import { loadKernel } from '@entresol/loader'
import type { BootEntry, MemoryRegion } from '@entresol/loader'
import type { Board, BoardEvents } from '../board.ts'
import type { MachineOptions } from '../options.ts'
import { IOAPIC_BASE } from '../platform.ts'
import type { Platform } from '../platform.ts'
import { CodedError } from '@entresol/kit'
import type { TimerClock } from '../clock/timer-queue.ts'
import { memoryMap } from './memory-map.ts'
import { writeResetStub } from './reset-stub.ts'

/** Where the virtio-mmio slots are. Slot n gets GSI 5 + n once something is plugged in. */
const VIRTIO_MMIO_BASE = 0xfeb00000
const VIRTIO_MMIO_SLOTS = 8
const COM1 = 0x3f8
const COM1_IRQ = 4

/**
 * The smallest machine that runs a modern kernel: CPUs with local APICs, an I/O APIC, a UART and empty virtio-mmio slots. No PIC, no PIT,
 * no PCI, no ACPI registers: hardware-reduced tables name the processors, the I/O APIC and the UART; the guest keeps time with the TSC and the
 * local APIC.
 */
export class Microvm implements Board {
  readonly platform: Platform
  readonly #uart: Uart16550
  readonly #options: MachineOptions

  constructor(platform: Platform, clock: TimerClock, options: MachineOptions, serial: readonly CharacterPort[], events: BoardEvents) {
    if (options.kernel === undefined) throw new CodedError('no-kernel', 'the microvm board boots a kernel directly: give one (-kernel)')
    this.platform = platform
    this.#options = options
    const router = new InterruptRouter({ ioapic: (pin) => platform.ioapic.line(pin) })
    this.#uart = new Uart16550({ name: 'serial0', line: router.isaLine(COM1_IRQ), port: serial[0]!, clock })
    platform.ports.map(COM1, this.#uart)
    for (let slot = 0; slot < VIRTIO_MMIO_SLOTS; slot++) {
      platform.mmio.map(VIRTIO_MMIO_BASE + slot * VIRTIO_MMIO_SLOT_LENGTH, new EmptyVirtioMmioSlot(slot))
    }
    platform.ports.map(0xcf9, new ResetControl(() => events.reset()))
    const exit = options.isaDebugExit
    if (exit) platform.ports.map(exit.iobase ?? 0x501, new IsaDebugExit({ iosize: exit.iosize ?? 2, onExit: (code) => events.exit(code) }))
  }

  powerOn(first: boolean): BootEntry {
    this.platform.reset()
    this.#uart.reset()
    const map: readonly MemoryRegion[] = memoryMap(this.platform.ram.size)
    writeResetStub(this.platform.ram)
    const { rsdp } = layOutAcpiTables(this.platform.ram, {
      hardwareReduced: true, pic: false, pciWindows: [], apicIds: this.platform.allVcpus.map(({ id }) => id), ioapic: { id: 0, base: IOAPIC_BASE },
      serial: [{ port: COM1, irq: COM1_IRQ }],
    })
    const { kernel, initrd, append } = this.#options
    return loadKernel({
      memory: this.platform.ram, map, kernel: kernel!, memoryIsZero: first, screen: 'none', rsdp,
      ...(initrd ? { initrd } : {}), ...(append === undefined ? {} : { commandLine: append }),
    }).entry
  }
}
