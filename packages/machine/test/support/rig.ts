import { createCpuModel } from '@entresol/cpu'
import type { Gfn, VcpuExit } from '@entresol/interfaces'
import type { FrameMemory } from '@entresol/mmu'
import type { Board, BoardEvents } from '../../src/board.ts'
import { Microvm } from '../../src/boards/microvm.ts'
import { Pc } from '../../src/boards/pc.ts'
import { InstructionClock } from '../../src/clock/instruction-clock.ts'
import { SerialConsole } from '../../src/console/serial-console.ts'
import type { DeviceOptions } from '../../src/devices/options.ts'
import type { BoardName, DriveOptions } from '../../src/options.ts'
import { Platform } from '../../src/platform.ts'

const MIB = 1 << 20
const CANARY = 0xc0de_f00d
/** What the tiny guest leaves by isa-debug-exit: (0x2a << 1) | 1. */
export const EXIT_CODE = 0x55

/** mov dx, 501h; mov al, 2Ah; out dx, al; hlt; jmp $-1. The same bytes in 16-bit code but for the prefix of `mov dx`. */
const TINY_32 = [0x66, 0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd]
const TINY_16 = [0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd]

/** A multiboot kernel (0.6.96, 3.1) with an address header, loaded at 1 MiB. */
export function tinyKernel(): Uint8Array {
  const image = new Uint8Array(64)
  const view = new DataView(image.buffer)
  const flags = 0x10000
  const words = [0x1badb002, flags, -(0x1badb002 + flags), 0x100000, 0x100000, 0x100040, 0x100040, 0x100020]
  words.forEach((word, i) => view.setUint32(i * 4, word >>> 0, true))
  image.set(TINY_32, 32)
  return image
}

/** A BIOS that ends the machine at once. */
export function tinyBios(): Uint8Array {
  const image = new Uint8Array(65536).fill(0xf4)
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0)
  image.set(TINY_16, 0)
  return image
}

export interface RigOptions {
  readonly board?: BoardName
  readonly cpus?: number
  readonly memory?: number
  readonly cpu?: string
  readonly firmware?: boolean
  readonly drives?: readonly DriveOptions[]
  readonly devices?: readonly DeviceOptions[]
  /** Guest frames lie above 2 GiB of machine memory, where addresses are negative as 32-bit integers. */
  readonly high?: boolean
}

/** A machine taken apart: the test holds buses and vCPUs in its own hands, time stands still unless moved. */
export interface Rig {
  readonly platform: Platform
  readonly board: Board
  readonly clock: InstructionClock
  /** What the guest asked of the machine. */
  readonly events: { powerOff: number; reset: number; exit: number[] }
  /** Resets the machine and runs its tiny guest; the code it exits with, -1 when it does not get there. */
  boot(): number
  /** Everything outside guest frames and vCPU tables is as it was, and TLBs map nothing else. Returns what is wrong. */
  damage(): string[]
}

export function createRig(options: RigOptions = {}): Rig {
  const { board: name = 'pc', cpus = 1, memory = 4 * MIB } = options
  const clock = new InstructionClock()
  const platform = new Platform({
    memory, cpus, model: (apicId) => createCpuModel(options.cpu ?? 'max', {}, { cpus, apicId }), clock, wake: () => {},
    codeCacheBytes: 2 * MIB, extraBytes: 12 * MIB + (options.high ? 2048 * MIB : 0),
  })
  clock.instructions = () => platform.vcpus.reduce((sum, vcpu) => sum + vcpu.instructionCount, 0)
  const seen: Rig['events'] = { powerOff: 0, reset: 0, exit: [] }
  const events: BoardEvents = {
    powerOff: () => void seen.powerOff++, reset: () => void seen.reset++, exit: (code) => void seen.exit.push(code),
    hostWorkBegins: () => {}, hostWorkEnds: () => {},
  }
  if (options.high) platform.machineMemory.reserve(2048 * MIB)
  const canaries = plantCanaries(platform.machineMemory)
  const image = options.firmware ? { bios: tinyBios() } : { kernel: tinyKernel() }
  const machine = { ...image, isaDebugExit: {}, drives: options.drives ?? [], devices: options.devices ?? [] }
  const serial = [new SerialConsole(), new SerialConsole()]
  const board = name === 'pc' ? new Pc(platform, clock, machine, serial, events) : new Microvm(platform, clock, machine, serial, events)
  platform.vcpus[0]!.setRegisters(board.powerOn(true).registers)
  return {
    platform, board, clock, events: seen,
    boot() {
      seen.exit.length = 0
      platform.vcpus[0]!.setRegisters(board.powerOn(false).registers)
      for (let slice = 0; slice < 50 && seen.exit.length === 0; slice++) for (const vcpu of platform.vcpus) vcpu.run(1000)
      return seen.exit[0] ?? -1
    },
    damage: () => [...canaries(), ...strayTlbEntries(platform)],
  }
}

/** Reserves memory that is nobody's, in several places, filled with a pattern. Returns how to check it. */
function plantCanaries(memory: FrameMemory): () => string[] {
  const places = [1, 3, 16, 64].map((frames) => ({ at: memory.reserve(frames * 4096) >>> 2, words: frames * 1024 }))
  for (const { at, words } of places) memory.u32.fill(CANARY, at, at + words)
  return () => {
    const damaged: string[] = []
    // Frame 0 is never handed out.
    if (memory.u32.subarray(0, 1024).some((word) => word !== 0)) damaged.push('machine frame 0 was written')
    for (const { at, words } of places) {
      const bad = memory.u32.subarray(at, at + words).findIndex((word) => word !== CANARY)
      if (bad >= 0) damaged.push(`machine address 0x${((at + bad) * 4).toString(16)} was written`)
    }
    return damaged
  }
}

/** TLB entries that map a frame which is not the guest's, or let code be written unseen. */
function strayTlbEntries(platform: Platform): string[] {
  const { ram, vcpus } = platform
  const readable = new Set<number>()
  const writable = new Set<number>()
  for (const { gfn, count } of ram.segments()) {
    for (let n = gfn; n < gfn + count; n++) {
      const read = ram.peek(n as Gfn, false)
      const write = ram.peek(n as Gfn, true)
      if (read >= 0) readable.add(read)
      if (write >= 0) writable.add(write)
    }
  }
  const stray: string[] = []
  for (const vcpu of vcpus) {
    for (const entry of vcpu.tlb.list()) {
      const where = `vCPU ${vcpu.id} maps ${entry.linear.toString(16)} to machine ${entry.frame.toString(16)}`
      if (entry.read && !readable.has(entry.frame)) stray.push(`${where}: read`)
      if (entry.write && !writable.has(entry.frame)) stray.push(`${where}: write`)
      if (entry.write && vcpu.codeFrames.hasCode(entry.frame)) stray.push(`${where}: code can be written unseen`)
      if (entry.fetch && (!readable.has(entry.frame) || !vcpu.code.contains(entry.code))) stray.push(`${where}: fetch`)
    }
  }
  return stray
}

/** Runs a vCPU and says how it went; anything thrown is the bug looked for. */
export function runSlice(rig: Rig, instructions: number): VcpuExit[] {
  rig.clock.runDue()
  return rig.platform.vcpus.map((vcpu) => vcpu.run(instructions))
}
