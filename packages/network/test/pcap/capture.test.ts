import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCaptureFile } from '../../src/node/index.ts'
import { capturePort } from '../../src/pcap/index.ts'
import type { CaptureOptions } from '../../src/pcap/index.ts'
import { createCable } from '../../src/switch/index.ts'
import { ALL, frame, ManualClock, Station } from '../support/devices.ts'
import { concat, dissect, hasTshark, NO_TSHARK } from '../support/tshark.ts'

interface Lan { clock: ManualClock; device: Station; network: Station; file: () => Uint8Array }

/** A device behind a port that is captured, and the network it is on. */
function captured(options: Partial<CaptureOptions> = {}): Lan {
  const clock = new ManualClock()
  clock.time = 123_456_789
  const parts: Uint8Array[] = []
  const [left, right] = createCable(clock)
  const network = new Station(right, 4)
  const device = new Station(capturePort(left, { clock, write: (bytes) => void parts.push(bytes), ...options }), 2)
  return { clock, device, network, file: () => concat(parts) }
}

/** Records of a capture: time in µs, length kept, length on the wire, last byte kept. */
function records(file: Uint8Array): [time: number, kept: number, length: number, last: number][] {
  const view = new DataView(file.buffer)
  const out: [number, number, number, number][] = []
  for (let at = 24; at < file.length;) {
    const kept = view.getUint32(at + 8, true)
    out.push([view.getUint32(at, true) * 1e6 + view.getUint32(at + 4, true), kept, view.getUint32(at + 12, true), file[at + 16 + kept - 1]!])
    at += 16 + kept
  }
  return out
}

describe('capture', () => {
  it('has the header of a classic pcap file of Ethernet', () => {
    const { file } = captured({ snaplen: 100 })
    expect([...new Uint32Array(file().buffer)]).toEqual([0xa1b2c3d4, 0x0004_0002, 0, 0, 100, 1])
  })
  it('keeps both directions, with lengths and times, and passes everything on', () => {
    const { clock, device, network, file } = captured({ snaplen: 60 })
    device.say(4, 'out', { length: 100 })
    clock.advance(1_500_000)
    network.say(2, 'in', { length: 50 })
    expect([device.texts(), network.texts()]).toEqual([['in'], ['out']])
    const start = 1_800_000_000_000_000 + 123_456
    expect(records(file()).map((record) => record.slice(0, 3))).toEqual([[start, 60, 100], [start + 1500, 50, 50]])
  })
  it.each([['rx', [17]], ['tx', [18]], ['all', [17, 18]]] as const)('queue %s', (queue, lengths) => {
    const { device, network, file } = captured({ queue })
    device.say(4, 'out')
    network.say(2, 'back')
    expect(records(file()).map(([, kept]) => kept)).toEqual(lengths)
  })
  it('a frame that was refused appears when it is taken, once', () => {
    const { device, network, file } = captured()
    device.room = 0
    network.say(2, 'waits')
    expect(records(file()).length).toBe(0)
    device.room = 1
    device.port.resume()
    expect(records(file()).length).toBe(1)
  })
  it('an answer given at once comes behind its question', () => {
    const { device, network, file } = captured()
    device.onFrame = () => device.say(4, 'answer')
    network.say(2, 'q')
    expect(records(file()).map(([, kept]) => kept)).toEqual([15, 20])
  })
  it('shows what the ends take unfinished as the port does', () => {
    const clock = new ManualClock()
    const [left, right] = createCable(clock)
    const network = new Station(right, 4, ALL)
    const device = new Station(capturePort(left, { clock, write: () => undefined }), 2)
    const hints = { checksum: { start: 34, offset: 16 }, segmentation: undefined }
    device.port.send(frame(4, 2, '', { length: 100 }), hints)
    expect(network.got[0]!.unfinished).toEqual(hints)
  })
  it.each([0, -1, 1.5, 300_000])('a snapshot length of %d is refused', (snaplen) => {
    expect(() => captured({ snaplen })).toThrow(expect.objectContaining({ code: 'bad-snaplen' }))
  })
  it('tshark reads it', (ctx) => {
    ctx.skip(!hasTshark, NO_TSHARK)
    const { clock, device, network, file } = captured({ snaplen: 200 })
    device.say(4, 'out', { length: 300, tag: 7 })
    clock.advance(2_000_000)
    network.say(2, 'in', { length: 60 })
    expect(dissect(file(), ['frame.time_epoch', 'frame.len', 'frame.cap_len', 'eth.src', 'eth.dst', 'vlan.id'])).toEqual([
      ['1800000000.123456000', '300', '200', '00:00:00:00:00:02', '00:00:00:00:00:04', '7'],
      ['1800000000.125456000', '60', '60', '00:00:00:00:00:04', '00:00:00:00:00:02', '']
    ])
  })
})

describe('capture files', () => {
  it('hold each record once the frame has passed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'entresol-'))
    const path = join(folder, 'x.pcap')
    const file = openCaptureFile(path, (error) => expect.fail(error.message))
    const { device } = captured({ write: file.write })
    device.say(4, 'x')
    expect(records(new Uint8Array(readFileSync(path))).length).toBe(1)
    file.close()
    file.close()
    device.say(4, 'unheard')
    rmSync(folder, { recursive: true })
  })
  it('that cannot be made are a coded error; one that cannot be written says so once', () => {
    expect(() => openCaptureFile('/nonexistent/x.pcap', () => undefined)).toThrow(expect.objectContaining({ code: 'capture-file' }))
    const errors: string[] = []
    const full = openCaptureFile('/dev/full', ({ code }) => void errors.push(code))
    full.write(Uint8Array.of(1))
    full.write(Uint8Array.of(1))
    expect(errors).toEqual(['capture-file'])
  })
})
