import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameStream, FrameWriter } from '../../src/links/frame-stream.ts'

describe('framing on byte streams', () => {
  it('frames come out as they went in, however the bytes are cut', () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ minLength: 14, maxLength: 200 }), { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
      (frames, cuts) => {
        const writer = new FrameWriter()
        const bytes = Uint8Array.from(frames.flatMap((frame) => [...writer.framed(frame)]))
        const got: Uint8Array[] = []
        const stream = new FrameStream((frame) => void got.push(frame.slice()))
        for (let at = 0, cut = 0; at < bytes.length; at += cuts[cut % cuts.length]!, cut++) {
          expect(stream.push(bytes.subarray(at, at + cuts[cut % cuts.length]!))).toBe(true)
        }
        expect(got).toEqual(frames)
      }
    ))
  })
  it('any bytes are frames of 14 to 65,550 bytes, or refused', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 })), (chunks) => {
      const stream = new FrameStream((frame) => {
        if (frame.length < 14 || frame.length > 65_550) expect.fail(`a frame of ${frame.length} bytes`)
      })
      for (const chunk of chunks) if (!stream.push(chunk)) break
    }))
  })
  it('the longest frame passes, a longer one ends the stream', () => {
    const got: number[] = []
    const stream = new FrameStream((frame) => got.push(frame.length))
    expect(stream.push(new FrameWriter().framed(new Uint8Array(65_550)))).toBe(true)
    expect(stream.push(Uint8Array.of(0, 1, 0, 0x0f))).toBe(false)
    expect(got).toEqual([65_550])
  })
})
