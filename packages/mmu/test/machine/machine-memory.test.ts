import { describe, expect, it } from 'vitest'
import type { FrameMemory} from '../../src/index.ts'
import { createMachineMemory } from '../../src/index.ts'

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
