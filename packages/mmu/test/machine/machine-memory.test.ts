import { describe, expect, it } from 'vitest'
import type { FrameMemory} from '../../src/index.ts'
import { createMachineMemory } from '../../src/index.ts'

const MIB = 2 ** 20

const codeOf = (action: () => unknown): unknown => {
  try {
    action()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return undefined
}

describe('machine memory', () => {
  it('refuses sizes that cannot be, with a code', () => {
    for (const bytes of [0, -1, Number.NaN, Infinity]) expect(codeOf(() => createMachineMemory({ bytes }))).toBe('bad-memory-size')
    expect(codeOf(() => createMachineMemory({ bytes: 2 ** 32 + 1 }))).toBe('memory-too-large')
  })

  it('reports a host that has no such memory with a code', () => {
    const original = WebAssembly.Memory
    try {
      WebAssembly.Memory = class {
        constructor() {
          throw new RangeError('could not allocate memory')
        }
      } as unknown as typeof WebAssembly.Memory
      expect(codeOf(() => createMachineMemory({ bytes: 65536 }))).toBe('memory-unavailable')
    } finally {
      WebAssembly.Memory = original
    }
  })

  it('refuses to free what is not allocated', () => {
    const memory = createMachineMemory({ bytes: 2 ** 20 })
    const mfn = memory.allocate(1)
    memory.free(mfn, 1)
    expect(codeOf(() => memory.free(mfn, 1))).toBe('frame-not-allocated')
    expect(codeOf(() => memory.free(0 as typeof mfn, 0))).toBe('frame-not-allocated')
  })

  it('never hands out frame 0', () => {
    const memory = createMachineMemory({ bytes: 2 ** 20 })
    const frames: number[] = []
    while (codeOf(() => frames.push(memory.allocate(0))) === undefined);
    expect(frames).toHaveLength(255)
    expect(frames).not.toContain(0)
  })

  it('frees a shared frame with its last reference', () => {
    const memory: FrameMemory = createMachineMemory({ bytes: 2 ** 20 })
    const mfn = memory.allocate(0)
    memory.retain(mfn)
    const used = memory.framesUsed
    memory.release(mfn)
    expect(memory.framesUsed).toBe(used)
    memory.release(mfn)
    expect(memory.framesUsed).toBe(used - 1)
  })
})

it('a reservation needs contiguous frames, no aligned power of two of them', () => {
  const memory = createMachineMemory({ bytes: 86 * MIB })
  memory.allocate(0)
  const address = memory.reserve(48 * MIB)
  expect(memory.framesUsed).toBe(48 * 256 + 2)
  memory.u8[address + 48 * MIB - 1] = 1
  const rest = memory.reserve(37 * MIB)
  expect(rest >= address + 48 * MIB || rest + 37 * MIB <= address).toBe(true)
  expect(() => memory.reserve(MIB)).toThrow('contiguous')
  expect(memory.frames - memory.framesUsed).toBeLessThan(256)
})

it('what a reservation leaves of the last block it takes from can be allocated', () => {
  const memory = createMachineMemory({ bytes: 16 * MIB })
  memory.reserve(3 * 4096)
  const left = memory.frames - memory.framesUsed
  for (let n = 0; n < left; n++) memory.allocate(0)
  expect(memory.framesUsed).toBe(memory.frames)
  expect(() => memory.allocate(0)).toThrow()
})
