import type { Gpa, SegmentRegister } from '@entresol/interfaces'
import { describe, expect, test } from 'vitest'
import { createRig } from './support/rig.ts'
import type { Rig } from './support/rig.ts'

const flat: SegmentRegister = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 }

/** Starts one CPU in real mode at CS:IP = 0:ip and runs it until it halts or the slice ends. */
function runAt(rig: Rig, id: number, ip: number, instructions = 1000): string {
  const cpu = rig.platform.vcpus[id]!
  const r = cpu.getRegisters()
  r.segments = { ...r.segments, cs: { ...flat, attributes: 0x9b }, ss: flat, ds: flat, es: flat }
  r.gpr[4] = 0x7000n
  cpu.setRegisters({ ...r, rip: BigInt(ip), rflags: 2n, cr0: 0x10n, cr4: 0n, efer: 0n, idtr: { base: 0n, limit: 0x3ff } })
  return cpu.run(instructions).reason
}

const load = (rig: Rig, at: number, ...bytes: number[]): void => rig.platform.ram.write(at as Gpa, Uint8Array.from(bytes))
const al = (rig: Rig, id: number): number => Number(rig.platform.vcpus[id]!.getRegisters().gpr[0]! & 0xffn)

/** mov al, 11h; hlt at 8000h for CPU 1. CPU 0: touch the page; change the immediate. */
function machine(): Rig {
  const rig = createRig({ cpus: 2, high: true })
  load(rig, 0x8000, 0xb0, 0x11, 0xf4)
  load(rig, 0x9000, 0xc6, 0x06, 0x00, 0x81, 0x00, 0xf4) // mov byte [8100h], 0; hlt
  load(rig, 0x9100, 0xc6, 0x06, 0x01, 0x80, 0x22, 0xf4) // mov byte [8001h], 22h; hlt
  return rig
}

describe('instruction fetch is coherent with the stores of every processor (SDM vol. 3, 9.1.3)', () => {
  test('a store by one CPU changes what another has decoded', () => {
    const rig = machine()
    // CPU 0 may write the page without a look before CPU 1 makes it code.
    runAt(rig, 0, 0x9000)
    runAt(rig, 1, 0x8000)
    expect(al(rig, 1)).toBe(0x11)
    runAt(rig, 0, 0x9100)
    runAt(rig, 1, 0x8000)
    expect(al(rig, 1)).toBe(0x22)
    expect(rig.damage()).toEqual([])
  })

  test('a store by a device changes what every CPU has decoded', () => {
    const rig = machine()
    for (const id of [0, 1]) runAt(rig, id, 0x8000)
    load(rig, 0x8001, 0x33)
    for (const id of [0, 1]) {
      runAt(rig, id, 0x8000)
      expect(al(rig, id)).toBe(0x33)
    }
  })

  test('a page stays watched for one CPU when another has forgotten its code', () => {
    const rig = machine()
    for (const id of [0, 1]) runAt(rig, id, 0x8000)
    rig.platform.vcpus[0]!.code.flush()
    runAt(rig, 0, 0x9100)
    runAt(rig, 1, 0x8000)
    expect(al(rig, 1)).toBe(0x22)
    for (const cpu of rig.platform.vcpus) cpu.code.flush()
    expect(rig.platform.vcpus[0]!.codeFrames.hasCode(rig.platform.ram.frameForRead(8 as never))).toBe(false)
  })
})

describe('starting and stopping', () => {
  test('a start-up IPI that follows INIT before the processor had a turn starts it', () => {
    const rig = machine()
    const cpu = rig.platform.vcpus[1]!
    cpu.init()
    cpu.sipi(8)
    expect(cpu.run(100).reason).toBe('halt')
    expect(al(rig, 1)).toBe(0x11)
    // Running processors ignore it (10.4.4.1), and INIT alone only waits.
    cpu.sipi(9)
    expect(cpu.getRegisters().rip).toBe(3n)
    cpu.init()
    expect(cpu.run(100).reason).toBe('halt')
    expect(cpu.getRegisters().rip).toBe(0xfff0n)
  })

  test('PAUSE lets the other CPU have its turn', () => {
    const rig = machine()
    load(rig, 0x8000, 0xf3, 0x90, 0xeb, 0xfc)
    const before = rig.platform.vcpus[1]!.instructionCount
    expect(runAt(rig, 1, 0x8000, 100_000)).toBe('slice')
    expect(rig.platform.vcpus[1]!.instructionCount - before).toBeLessThan(10)
  })

  test('a lock let go before PAUSE and taken back behind it is free for the other CPU in between', () => {
    const rig = machine()
    // mov byte [8100h], 0; pause; lock bts word [8100h], 0; jmp $: SeaBIOS's hand-over to the processors it starts.
    load(rig, 0x8000, 0xc6, 0x06, 0x00, 0x81, 0x00, 0xf3, 0x90, 0xf0, 0x0f, 0xba, 0x2e, 0x00, 0x81, 0x00, 0xeb, 0xfe)
    load(rig, 0x8100, 1)
    expect(runAt(rig, 0, 0x8000, 100_000)).toBe('slice')
    expect(rig.platform.vcpus[0]!.getRegisters().rip).toBe(0x8007n)
    expect(rig.platform.ram.readU32(0x8100 as Gpa) & 1).toBe(0)
  })

  test('a repeated string instruction that overwrites itself is counted as what ran', () => {
    const rig = machine()
    load(rig, 0x8000, 0xf3, 0xaa, 0xf4)
    const cpu = rig.platform.vcpus[0]!
    const r = cpu.getRegisters()
    r.gpr[0] = 0x90n
    r.gpr[1] = 100n
    r.gpr[7] = 0x8000n
    cpu.setRegisters(r)
    expect(runAt(rig, 0, 0x8000, 1000)).toBe('halt')
    // One iteration makes it NOP; STOSB; then HLT, or the HLT went the same way and more STOSB follow: tens at most.
    expect(cpu.instructionCount).toBeLessThan(100)
  })

  test('an exception handler whose first instruction faults does not keep the slice from ending', () => {
    const rig = machine()
    load(rig, 6 * 4, 0x00, 0x80, 0, 0)
    load(rig, 0x8000, 0x0f, 0x0b)
    expect(runAt(rig, 0, 0x8000)).toBe('slice')
    expect(rig.platform.vcpus[0]!.exceptionCounts[6]).toBeGreaterThan(50)
    // Nothing was retired meanwhile.
    expect(rig.platform.vcpus[0]!.instructionCount).toBe(0)
  })
})
