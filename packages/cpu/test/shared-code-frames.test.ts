import { describe, expect, test } from 'vitest'
import { SharedCodeFrames } from '../src/code/shared-code-frames.ts'
import type { CodeHolder } from '../src/code/code-frames.ts'

const FRAME = 0x5000

/** Two vCPUs whose messages arrive when the test says so; `heard` is what each was told to do. */
function two(): { frames: SharedCodeFrames[]; heard: string[][]; arrive: () => void } {
  const tables = { holders: new Int32Array(new SharedArrayBuffer(64)), writers: new Int32Array(new SharedArrayBuffer(64)) }
  const heard: string[][] = [[], []]
  const waiting: (() => void)[] = []
  const each = (vcpus: number, action: (frames: SharedCodeFrames) => void): void =>
    frames.forEach((one, n) => { if (vcpus & (1 << n)) waiting.push(() => action(one)) })
  const arrive = (): void => { for (const message of waiting.splice(0)) message() }
  const frames = [0, 1].map((n) => {
    const made = new SharedCodeFrames(n, tables, {
      // The one that waits knows that it has happened.
      protect: (vcpus, frame) => { each(vcpus, (one) => one.protect(frame)); arrive() },
      wrote: (vcpus, address, length) => each(vcpus, (one) => one.overwritten(address, length)),
    })
    const member: CodeHolder = {
      wrote: (address) => void heard[n]!.push(`wrote ${address.toString(16)}`), overlaps: () => false,
      drop: (frame) => { heard[n]!.push('drop'); made.remove(frame) }, protect: () => void heard[n]!.push('protect'),
    }
    made.join(member)
    return made
  })
  return { frames, heard, arrive }
}

describe('frames of code between threads', () => {
  test('who decodes takes write access from those that have it, and from nobody else', () => {
    const { frames: [a, b], heard } = two()
    expect(b!.writable(FRAME)).toBe(true)
    a!.add(FRAME)
    expect(heard).toEqual([[], ['protect']])
    expect([a!.writable(FRAME), b!.writable(FRAME), b!.hasCode(FRAME)]).toEqual([false, false, true])
    // Nobody writes it any more: the second one asks nobody.
    b!.add(FRAME)
    expect(heard).toEqual([[], ['protect']])
    a!.remove(FRAME)
    expect(b!.writable(FRAME)).toBe(false)
    b!.remove(FRAME)
    expect(b!.writable(FRAME)).toBe(true)
  })

  test('a store reaches every holder', () => {
    const { frames: [a, b], heard, arrive } = two()
    a!.add(FRAME)
    b!.add(FRAME)
    b!.wrote(FRAME + 8, 4)
    expect(heard).toEqual([[], ['wrote 5008']])
    arrive()
    expect(heard[0]).toEqual(['wrote 5008'])
    expect(b!.sparesCode(FRAME + 8, 4)).toBe(false)
  })

  test('a frame that others write a lot is given up, between two slices', () => {
    const { frames: [a, b], heard, arrive } = two()
    a!.add(FRAME)
    for (let n = 0; n < 2000; n++) b!.wrote(FRAME, 1)
    arrive()
    expect(heard[0]).not.toContain('drop')
    a!.giveUpTired()
    expect(heard[0]!.at(-1)).toBe('drop')
    expect(b!.writable(FRAME)).toBe(true)
  })
})
