import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { UnfinishedFrame } from '@entresol/interfaces'
import {
  ETHERTYPE, EthernetView, IP_PROTOCOL, Ipv4View, Ipv6View, TCP_FLAG, TcpView, UdpView, finishFrame, parseIp, pseudoSum, put16, putEthernet, putIpv4, putIpv6, putTcp, u16,
} from '../../src/codec/index.ts'

/** A frame as a driver hands it over: pseudo header's sum in place of the checksum. */
function unfinishedFrame(version: 4 | 6, udp: boolean, payload: Uint8Array, flags: number = TCP_FLAG.ACK): Uint8Array {
  const at = 14 + (version === 4 ? 20 : 40)
  const header = udp ? 8 : 20
  const frame = new Uint8Array(at + header + payload.length)
  putEthernet(frame, new Uint8Array(6), new Uint8Array(6), version === 4 ? ETHERTYPE.IPV4 : ETHERTYPE.IPV6)
  const common = { protocol: udp ? IP_PROTOCOL.UDP : IP_PROTOCOL.TCP, length: header + payload.length, hops: 64 }
  if (version === 4) putIpv4(frame, 14, { source: parseIp('10.0.2.15'), destination: parseIp('10.0.2.2'), ...common, identification: 0xfffe })
  else putIpv6(frame, 14, { source: parseIp('fec0::15'), destination: parseIp('fec0::2'), ...common })
  if (udp) {
    put16(frame, at, 1)
    put16(frame, at + 2, 2)
    put16(frame, at + 4, header + payload.length)
  } else putTcp(frame, at, { sourcePort: 1, destinationPort: 2, sequence: 0xffff_ff00, acknowledgment: 5, flags, window: 100, length: 20 })
  frame.set(payload, at + header)
  put16(frame, at + (udp ? 6 : 16), pseudoSum(frame, at - (version === 4 ? 8 : 32), version === 4 ? 8 : 32, common.protocol, header + payload.length))
  return frame
}

const read = (frame: Uint8Array): Ipv4View | Ipv6View => {
  const ethernet = new EthernetView()
  expect(ethernet.read(frame)).toBe(true)
  const ip = ethernet.type === ETHERTYPE.IPV4 ? new Ipv4View() : new Ipv6View()
  expect(ip.read(frame, 14, frame.length)).toBe(true)
  expect(ip.end).toBe(frame.length)
  return ip
}
const checksumOf = (version: 4 | 6, udp: boolean): NonNullable<UnfinishedFrame['checksum']> => ({ start: version === 4 ? 34 : 54, offset: udp ? 6 : 16 })

describe('finishing a frame', () => {
  it.each([[4, false], [6, false], [4, true], [6, true]] as const)('fills in the checksum (IPv%i, UDP %s), and leaves the frame alone', (version, udp) => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (payload) => {
      const frame = unfinishedFrame(version, udp, payload)
      const before = frame.slice()
      const [finished, ...more] = finishFrame(frame, { checksum: checksumOf(version, udp), segmentation: undefined })
      expect(more).toHaveLength(0)
      expect(frame).toEqual(before)
      const ip = read(finished!)
      expect(udp ? new UdpView().read(ip, true) : new TcpView().read(ip, true)).toBe(true)
    }))
  })

  it.each([4, 6] as const)('cuts TCP into segments that are whole and right (IPv%i)', (version) => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 65_000 }), fc.integer({ min: 200, max: 9000 }), (length, size) => {
      const payload = Uint8Array.from({ length }, (_, index) => index * 7)
      const frame = unfinishedFrame(version, false, payload, TCP_FLAG.ACK | TCP_FLAG.PSH | TCP_FLAG.FIN | TCP_FLAG.CWR)
      const headerLength = version === 4 ? 54 : 74
      const kind = version === 4 ? 'tcp4' : 'tcp6'
      const pieces = finishFrame(frame, { checksum: checksumOf(version, false), segmentation: { kind, size, headerLength } })
      expect(pieces).toHaveLength(Math.ceil(length / size))
      const all: number[] = []
      pieces.forEach((piece, index) => {
        const tcp = new TcpView()
        expect(tcp.read(read(piece), true)).toBe(true)
        expect(tcp.sequence).toBe((0xffff_ff00 + all.length) >>> 0)
        const last = index === pieces.length - 1
        expect(tcp.flags).toBe(TCP_FLAG.ACK | (last ? TCP_FLAG.PSH | TCP_FLAG.FIN : 0) | (index === 0 ? TCP_FLAG.CWR : 0))
        if (version === 4) expect(u16(piece, 18)).toBe((0xfffe + index) & 0xffff)
        for (let at = tcp.payload; at < tcp.end; at++) all.push(piece[at]!)
      })
      expect(Uint8Array.from(all)).toEqual(payload)
    }), { numRuns: 40 })
  })

  it.each([4, 6] as const)('cuts UDP into datagrams (IPv%i)', (version) => {
    const payload = Uint8Array.from({ length: 5000 }, (_, index) => index)
    const pieces = finishFrame(unfinishedFrame(version, true, payload), {
      checksum: checksumOf(version, true), segmentation: { kind: 'udp', size: 1200, headerLength: version === 4 ? 42 : 62 },
    })
    const lengths = pieces.map((piece) => {
      const udp = new UdpView()
      expect(udp.read(read(piece), true)).toBe(true)
      return udp.end - udp.payload
    })
    expect(lengths).toEqual([1200, 1200, 1200, 1200, 200])
  })

  it('hints that do not fit the frame give nothing', () => {
    const frame = unfinishedFrame(4, false, new Uint8Array(3000))
    const segmentation = { kind: 'tcp4', size: 1460, headerLength: 54 } as const
    const bad: UnfinishedFrame[] = [
      { checksum: { start: 3040, offset: 16 }, segmentation: undefined }, { checksum: { start: 34, offset: 3019 }, segmentation: undefined },
      { checksum: { start: -1, offset: 0 }, segmentation: undefined }, { checksum: { start: NaN, offset: 16 }, segmentation: undefined },
      { checksum: { start: 34, offset: 70000 }, segmentation: undefined }, { checksum: { start: 34.5, offset: 1 }, segmentation: undefined },
      { checksum: undefined, segmentation: { ...segmentation, kind: 'tcp6' } }, { checksum: undefined, segmentation: { ...segmentation, kind: 'udp' } },
      { checksum: undefined, segmentation: { ...segmentation, size: 0 } }, { checksum: undefined, segmentation: { ...segmentation, size: NaN } },
      { checksum: undefined, segmentation: { ...segmentation, size: 1 } },
    ]
    for (const each of bad) expect(finishFrame(frame, each)).toEqual([])
    expect(finishFrame(frame, { checksum: undefined, segmentation: undefined })).toEqual([frame])
  })

  it('never throws, whatever the bytes are', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('tcp4', 'tcp6', 'udp'), fc.integer(), fc.integer(), fc.integer({ min: -5, max: 300 }), (bytes, kind, size, headerLength, start) => {
      if (bytes.length > 20) bytes.set(kind === 'tcp6' ? [0x86, 0xdd, 0x60] : [8, 0, 0x45], 12)
      finishFrame(bytes, { checksum: { start, offset: 16 }, segmentation: { kind, size, headerLength } })
      finishFrame(bytes, { checksum: { start, offset: headerLength }, segmentation: undefined })
    }), { numRuns: 1000 })
  })
})
