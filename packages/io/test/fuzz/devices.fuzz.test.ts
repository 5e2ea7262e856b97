import type { AccessSize, BusDevice } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import { DebugPort } from '../../src/debug-port/debug-port.ts'
import { FwCfg } from '../../src/fw-cfg/fw-cfg.ts'
import { I8042 } from '../../src/i8042/i8042.ts'
import { KEY_NAMES } from '../../src/i8042/keys.ts'
import { IdeController } from '../../src/ide/ide.ts'
import { IsaDebugExit } from '../../src/isa-debug-exit/isa-debug-exit.ts'
import { Port92 } from '../../src/port92/port92.ts'
import { Uart16550 } from '../../src/uart16550/uart16550.ts'
import { Vga } from '../../src/vga/vga.ts'
import { ArrayMemory, FakePort, ManualClock, RamBlock, RecordingLine, seeded, settle } from '../support/device-fakes.ts'

/** What the fuzzer drives: windows, something the host does, and the state with its bound in bytes. */
interface Subject {
  windows: BusDevice[]
  host?: (random: () => number) => void
  stateful?: { save(): unknown; restore(state: never): void; reset(): void }
  stateBytes: number
  clock: ManualClock
  /** The host falls silent, so that nothing of its own comes in. */
  silence?: () => void
  /** Offsets worth more visits than chance gives, by window. */
  hot?: number[][]
}

const noop = (): void => undefined
const subjects: Record<string, () => Subject> = {
  'uart16550': () => {
    const clock = new ManualClock()
    const port = new FakePort()
    const uart = new Uart16550({ line: new RecordingLine(), port, clock })
    return { windows: [uart], stateful: uart, silence: () => { port.kept = [] }, stateBytes: 1000, clock, host: (r) => { port.sent = []; if (port.kept.length < 100) port.type(r() & 255, r() & 255) } }
  },
  'i8042': () => {
    const clock = new ManualClock()
    const kbc = new I8042({ keyboardLine: new RecordingLine(), mouseLine: new RecordingLine(), clock, onA20: noop, onReset: noop })
    return {
      windows: [kbc.dataPort, kbc.commandPort], stateful: kbc, stateBytes: 20_000, clock,
      host: (r) => {
        kbc.keyboard.key(KEY_NAMES[r() % KEY_NAMES.length], (r() & 1) === 0)
        kbc.mouse.move((r() & 0xfff) - 0x800, (r() & 0xfff) - 0x800, (r() & 15) - 8)
        kbc.mouse.buttons(r() & 31)
      },
    }
  },
  'vga': () => {
    const clock = new ManualClock()
    const vga = new Vga({ clock, vramSize: 0x40000 })
    return {
      windows: [vga.ports, vga.ports, vga.dispiPorts, vga.dispiPorts, vga.legacyWindow, vga.linearFramebuffer, vga.mmio], stateful: vga, stateBytes: 0x42000, clock,
      hot: [[], [], [], [], [], [], Array.from({ length: 11 }, (_, i) => 0x500 + 2 * i)],
      host: (r) => {
        vga.text()
        if (r() % 16 === 0) vga.render(new Uint8ClampedArray(vga.width * vga.height * 4))
      },
    }
  },
  'ide': () => {
    const disk = new RamBlock(300 * 512)
    const cd = new RamBlock(50 * 2048, true)
    const memory = new ArrayMemory(1 << 16)
    const ide = new IdeController({ drives: [{ kind: 'disk', backend: disk }, { kind: 'cdrom', backend: cd }, undefined, { kind: 'cdrom' }], lines: [new RecordingLine(), new RecordingLine()], memory })
    const windows = ide.channels.flatMap((c) => [c.commandBlock, c.commandBlock, c.commandBlock, c.controlBlock])
    return {
      windows: [...windows, ide.busMaster], stateful: ide, stateBytes: 4 * 140_000, clock: new ManualClock(),
      hot: [[7, 7, 6, 2], [0], [2, 3, 4, 5], [], [7, 6], [0], [], [], [0, 8, 4, 12]],
      host: (r) => {
        disk.fail = r() % 8 === 0
        if (r() % 4 === 0) ide.setMedium(3, r() & 1 ? cd : undefined)
        if (r() % 8 === 0) ide.pressEject(1)
        for (let i = 0; i < 64; i++) memory.u8[r() & 0xffff] = r()
      },
    }
  },
  'fw-cfg': () => {
    const memory = new ArrayMemory(1 << 16)
    const fw = new FwCfg({ memory, cpus: 1 })
    fw.setFile('etc/rw', new Uint8Array(100), { writable: true })
    return {
      windows: [fw.ports, fw.mmio], stateful: fw, stateBytes: 1000, clock: new ManualClock(), hot: [[4, 8, 0, 1], [16, 20, 8]],
      host: (r) => { for (let i = 0; i < 64; i++) memory.u8[r() & 0xffff] = r() & 31 },
    }
  },
  'small ones': () => {
    const port = new FakePort()
    const port92 = new Port92({ onA20: noop, onReset: noop })
    return {
      windows: [port92, new DebugPort({ port }), new IsaDebugExit({ onExit: noop, iosize: 4 })], stateful: port92, stateBytes: 100, clock: new ManualClock(),
      host: () => { port.sent = [] },
    }
  },
}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length
  if (typeof value === 'object' && value !== null) return Object.values(value).reduce((n: number, v) => n + 8 + sizeOf(v), 0)
  return 8
}

const SIZES: AccessSize[] = [1, 2, 4]
const SEEDS = [1, 2026, 0xdecade]
const STEPS = 6000

describe.each(Object.keys(subjects))('%s under random accesses', (name) => {
  it.each(SEEDS)('never throws, answers within the size, stays bounded and survives snapshots (seed %i)', async (seed) => {
    const random = seeded(seed)
    const subject = subjects[name]()
    const fuzz = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const w = random() % subject.windows.length
        const window = subject.windows[w]
        const size = SIZES[random() % 3]
        const hot = subject.hot?.[w] ?? []
        const offset = hot.length > 0 && random() & 1 ? hot[random() % hot.length] : random() % window.length
        if (offset + size > window.length) continue
        const bits = random()
        // Small values are commands and counts; full ones find the reserved bits.
        const value = (random() & 1 ? bits & 0x3f : bits) % 2 ** (8 * size)
        if (random() & 1) expect(window.write(offset, size, value)).toSatisfy((r: unknown) => r === undefined || typeof r === 'string')
        else {
          const got = window.read(offset, size)
          if (typeof got !== 'number') expect(['no-register', 'bad-size', 'unaligned']).toContain(got)
          else if (!Number.isInteger(got) || got < 0 || got >= 2 ** (8 * size)) expect.fail(`${window.name}: read ${got} at ${offset} size ${size}`)
        }
      }
    }
    for (let step = 0; step < STEPS; step += 100) {
      fuzz(100)
      subject.host?.(random)
      subject.clock.advance(random() % 50_000_000)
      if (step % 200 === 0) await settle()
      expect(subject.clock.timers.length).toBeLessThan(4)
      if (step % 1000 === 0) {
        const saved = structuredClone(subject.stateful?.save())
        expect(sizeOf(saved)).toBeLessThan(subject.stateBytes)
        fuzz(20)
        subject.stateful?.restore(saved as never)
        expect(subject.stateful?.save()).toEqual(saved)
      }
    }
    subject.silence?.()
    subject.stateful?.reset()
    await settle()
    const once = structuredClone(subject.stateful?.save())
    subject.stateful?.reset()
    expect(subject.stateful?.save()).toEqual(once)
  }, 60_000)
})

describe('a corrupted saved state', () => {
  it.each(Object.keys(subjects))('is refused with bad-snapshot or taken as a state that works: %s', async (name) => {
    const random = seeded(7)
    const subject = subjects[name]()
    const junk = [undefined, null, -1, 1.5, NaN, 2 ** 40, 'x', {}, [], new Uint8Array(3), true]
    for (let i = 0; i < 150; i++) {
      const state = structuredClone(subject.stateful?.save()) as Record<string, unknown>
      let at: Record<string, unknown> = state
      for (;;) {
        const keys = Object.keys(at).slice(0, 64)
        if (keys.length === 0) break
        const key = keys[random() % keys.length]
        const inner = at[key]
        if (typeof inner === 'object' && inner !== null && !(inner instanceof Uint8Array) && random() % 4) {
          at = inner as Record<string, unknown>
          continue
        }
        at[key] = junk[random() % junk.length]
        break
      }
      const before = structuredClone(subject.stateful?.save())
      try {
        subject.stateful?.restore(state as never)
      } catch (error) {
        expect((error as { code?: string }).code).toBe('bad-snapshot')
        expect(subject.stateful?.save()).toEqual(before)
      }
      for (const window of subject.windows) {
        window.read(0, 1)
        window.write(0, 1, 1)
      }
      subject.clock.advance(1e6)
    }
    await settle()
  }, 60_000)
})
