import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DHCP_OPTION, DNS_TYPE, ETHERTYPE, EthernetView, IP_PROTOCOL, IpNetwork, Ipv4View, Ipv6View, Reassembler, TCP_FLAG, TcpView, UdpView, checksum16, dnsFailure,
  encodeName, formatIp, formatMac, parseIp, parseMac, parseNetwork, pseudoSum, putChecksum, putFragmentHeader, putIpv4, putIpv6, putTcp, putTcpOptions, putUdp, readArp,
  readDhcp, readDhcpv6, readDns, sequenceDelta, sum16, tcpOptionsLength, tryParseIp, writeDhcp, writeDhcpv6, writeDnsQuery,
} from '../../src/codec/index.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(text.replaceAll(/\s/g, '').match(/../g) ?? [], (byte) => parseInt(byte, 16))
const bytesOf = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max })

describe('checksums', () => {
  it('are those of RFC 1071’s example', () => {
    expect(sum16(hex('0001 f203 f4f5 f6f7'), 0, 8)).toBe(0xddf2)
    expect(checksum16(hex('0001 f203 f4f5 f6f7'), 0, 8)).toBe(0x220d)
  })

  it('agree with the definition, at every length and position', () => {
    fc.assert(fc.property(bytesOf(3000), fc.nat(7), fc.nat(0xffff), (bytes, from, initial) => {
      const start = Math.min(from, bytes.length)
      let sum = initial
      for (let at = start; at < bytes.length; at += 2) {
        sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
        sum = (sum & 0xffff) + (sum >>> 16)
      }
      expect(sum16(bytes, start, bytes.length, initial)).toBe(sum)
    }))
  })

  it('of 64 KiB of ones do not overflow', () => {
    expect(sum16(new Uint8Array(65536).fill(0xff), 0, 65536)).toBe(0xffff)
    expect(sum16(new Uint8Array(65536), 0, 65536)).toBe(0)
  })
})

describe('addresses', () => {
  it.each([
    ['::', '00000000000000000000000000000000'], ['::1', '00000000000000000000000000000001'], ['fec0::2', 'fec00000000000000000000000000002'],
    ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'], ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
    ['10.0.2.15', '0a00020f'], ['255.255.255.255', 'ffffffff'],
  ])('%s is read and written (RFC 5952)', (text, bytes) => {
    expect(parseIp(text)).toEqual(hex(bytes))
    expect(formatIp(hex(bytes))).toBe(text)
  })

  it('IPv4 may stand at the end of IPv6', () => {
    expect(formatIp(parseIp('::ffff:10.0.2.15'))).toBe('::ffff:a00:20f')
  })

  it.each(['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.4 ', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', '12345::', 'g::', '::1.2.3',
    '1.2.3.4::', 'fe80::1%eth0', '::1.2.3.4:5'])('%j is none', (text) => {
    expect(tryParseIp(text)).toBeUndefined()
    expect(() => parseIp(text)).toThrow(expect.objectContaining({ code: 'network-bad-address' }) as Error)
  })

  it('survive writing and reading', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (address) => {
      expect(parseIp(formatIp(address))).toEqual(address)
    }))
    fc.assert(fc.property(fc.ipV6(), (text) => {
      expect(tryParseIp(text.replace(/%.*/, ''))?.length).toBe(16)
    }))
    expect(formatMac(parseMac('52:54:00:AB-cd:01'.replace('-', ':')))).toBe('52:54:00:ab:cd:01')
  })

  it('networks hold what shares their first bits', () => {
    const net = parseNetwork('10.0.2.99/28')
    expect([String(net), formatIp(net.mask), formatIp(net.address(3))]).toEqual(['10.0.2.96/28', '255.255.255.240', '10.0.2.99'])
    expect(['10.0.2.96', '10.0.2.111', '10.0.2.112', '::'].map((each) => net.has(parseIp(each)))).toEqual([true, true, false, false])
    expect(new IpNetwork(parseIp('::'), 0).has(parseIp('ffff::'))).toBe(true)
    for (const bad of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/x', '/8', '::/129']) expect(() => parseNetwork(bad)).toThrow(expect.objectContaining({ code: 'network-bad-address' }) as Error)
  })
})

describe('headers', () => {
  const addresses = { source: parseIp('10.0.2.15'), destination: parseIp('10.0.2.2') }

  it('an 802.1Q tag is seen, and a length is no type', () => {
    const view = new EthernetView()
    expect(view.read(hex('ffffffffffff 525400123456 8100 a005 0800'))).toBe(true)
    expect([view.vlan, view.priority, view.type, view.payload]).toEqual([5, 5, ETHERTYPE.IPV4, 18])
    expect(view.read(hex('ffffffffffff 525400123456 0806'))).toBe(true)
    expect([view.vlan, view.payload]).toEqual([-1, 14])
    for (const bad of ['ffffffffffff 525400123456 00', 'ffffffffffff 525400123456 0040', 'ffffffffffff 525400123456 8100 a005 08']) expect(view.read(hex(bad))).toBe(false)
  })

  it('a real IPv4 header has the right checksum', () => {
    const header = hex('4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7')
    const view = new Ipv4View()
    expect(view.read(Uint8Array.of(...header, ...new Uint8Array(95)), 0, 115)).toBe(true)
    const written = new Uint8Array(20)
    putIpv4(written, 0, { source: header.subarray(12, 16), destination: header.subarray(16), protocol: 17, length: 95, hops: 64, identification: 0 })
    expect(written).toEqual(header)
  })

  it('IPv4 with options and padding behind it', () => {
    const packet = new Uint8Array(60)
    putIpv4(packet, 0, { ...addresses, protocol: 17, length: 12, hops: 64, identification: 0 })
    packet.set([0x46, 0, 0, 32], 0)
    packet.set([1, 1, 1, 1], 20)
    putChecksum(packet, 10, 0, 24)
    const view = new Ipv4View()
    expect(view.read(packet, 0, 60)).toBe(true)
    expect([view.payload, view.end]).toEqual([24, 32])
    packet[10]! ^= 1
    expect(view.read(packet, 0, 60)).toBe(false)
  })

  it('IPv6 extension headers are passed over, in bounds', () => {
    const view = new Ipv6View()
    const packet = (first: number, ...rest: number[]): boolean => {
      const bytes = new Uint8Array(40 + rest.length)
      putIpv6(bytes, 0, { source: parseIp('fec0::15'), destination: parseIp('fec0::2'), protocol: first, length: rest.length, hops: 64 })
      bytes.set(rest, 40)
      return view.read(bytes, 0, bytes.length)
    }
    expect(packet(0, 60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0, 9)).toBe(true)
    expect([view.protocol, view.payload]).toEqual([17, 56])
    expect(packet(43, 17, 0, 0, 0, 0, 0, 0, 0)).toBe(true)
    expect(packet(43, 17, 0, 0, 1, 0, 0, 0, 0)).toBe(false)
    expect(packet(60, 17, 1, 0, 0, 0, 0, 0, 0)).toBe(false)
    expect(packet(60, 17, 0, 0)).toBe(false)
    expect(packet(60, ...Array<number[]>(12).fill([60, 0, 0, 0, 0, 0, 0, 0]).flat())).toBe(false)
    expect(packet(44, 17, 0, 0, 1, 0, 0, 0, 7, 1, 2)).toBe(true)
    expect([view.fragmented, view.moreFragments, view.identification, view.payload]).toEqual([true, true, 7, 48])
    expect(packet(44, 17, 0, 0, 0, 0, 0, 0, 7, 1, 2)).toBe(true)
    expect(view.fragmented).toBe(false)
  })

  it('TCP options are written and read', () => {
    fc.assert(fc.property(fc.record({
      mss: fc.nat(0xffff), windowScale: fc.nat(14), sackPermitted: fc.constant(true), timestamps: fc.record({ value: fc.nat(), echo: fc.nat() }),
    }, { requiredKeys: [] }), fc.nat(0xffffffff), (options, sequence) => {
      const length = 20 + tcpOptionsLength(options)
      const packet = new Uint8Array(20 + length)
      putIpv4(packet, 0, { ...addresses, protocol: 6, length, hops: 64, identification: 0 })
      putTcp(packet, 20, { sourcePort: 1, destinationPort: 2, sequence, acknowledgment: 3, flags: TCP_FLAG.SYN, window: 4, length })
      putTcpOptions(packet, 40, options)
      putChecksum(packet, 36, 20, packet.length, pseudoSum(packet, 12, 8, IP_PROTOCOL.TCP, length))
      const ip = new Ipv4View()
      const tcp = new TcpView()
      expect(ip.read(packet, 0, packet.length) && tcp.read(ip, true)).toBe(true)
      expect(tcp.options()).toEqual(options)
      expect([tcp.sequence, tcp.sequenceLength, tcp.window]).toEqual([sequence, 1, 4])
      packet[25]! ^= 0x10
      expect(tcp.read(ip, true)).toBe(false)
      expect(tcp.read(ip, false)).toBe(true)
    }))
  })

  it('malformed TCP options end the list', () => {
    const packet = new Uint8Array(48)
    putIpv4(packet, 0, { ...addresses, protocol: 6, length: 28, hops: 64, identification: 0 })
    putTcp(packet, 20, { sourcePort: 1, destinationPort: 2, sequence: 0, acknowledgment: 0, flags: 2, window: 0, length: 28 })
    const ip = new Ipv4View()
    const tcp = new TcpView()
    for (const [bytes, options] of [[[2, 4, 5, 180, 3, 9, 7, 0], { mss: 1460 }], [[2, 0, 5, 180, 3, 3, 7, 0], {}], [[1, 1, 3, 3, 99, 0, 4, 2], { windowScale: 14 }],
      [[3], {}], [[1, 1, 1, 1, 1, 1, 1, 2], {}]] as const) {
      packet.fill(0, 40)
      packet.set(bytes, 40)
      expect(ip.read(packet, 0, 48) && tcp.read(ip, false)).toBe(true)
      expect(tcp.options()).toEqual(options)
    }
  })

  it('sequence numbers go round', () => {
    expect([sequenceDelta(5, 0xfffffffb), sequenceDelta(0xfffffffb, 5), sequenceDelta(7, 7)]).toEqual([10, -10, 0])
  })

  it('UDP without a checksum is taken from IPv4 only', () => {
    const view = new UdpView()
    for (const version of [4, 6]) {
      const at = version === 4 ? 20 : 40
      const packet = new Uint8Array(at + 10)
      const common = { protocol: 17, length: 10, hops: 64 }
      if (version === 4) putIpv4(packet, 0, { ...addresses, ...common, identification: 0 })
      else putIpv6(packet, 0, { source: parseIp('::1'), destination: parseIp('::2'), ...common })
      putUdp(packet, at, 1, 2, 2, version === 4 ? 12 : 8, version === 4 ? 8 : 32)
      const ip = version === 4 ? new Ipv4View() : new Ipv6View()
      expect(ip.read(packet, 0, packet.length) && view.read(ip, true)).toBe(true)
      packet.fill(0, at + 6, at + 8)
      expect(ip.read(packet, 0, packet.length) && view.read(ip, true)).toBe(version === 4)
    }
  })

  it('ARP for anything but IPv4 over Ethernet is none', () => {
    expect(readArp(hex('0001 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202'), 0)).toMatchObject({ operation: 1, target: parseIp('10.0.2.2') })
    expect(readArp(hex('0006 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202'), 0)).toBeUndefined()
    expect(readArp(hex('0001 0800 06 04 0001 525400123456 0a00020f'), 0)).toBeUndefined()
  })
})

describe('reassembly', () => {
  const piece = (bytes: Uint8Array, from: number, to: number, more: boolean, identification = 1): Ipv4View => {
    const packet = new Uint8Array(20 + to - from)
    putIpv4(packet, 0, { source: parseIp('10.0.2.15'), destination: parseIp('10.0.2.2'), protocol: 17, length: to - from, hops: 64, identification, fragment: { offset: from, more } })
    packet.set(bytes.subarray(from, to), 20)
    const view = new Ipv4View()
    expect(view.read(packet, 0, packet.length)).toBe(true)
    return view
  }

  it('any order of pieces gives the packet', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 9, maxLength: 2000 }), fc.array(fc.nat(100), { maxLength: 6 }), fc.nat(), (bytes, cuts, seed) => {
      const edges = [...new Set([0, ...cuts.map((cut) => cut * 8).filter((cut) => cut < bytes.length), bytes.length])].sort((a, b) => a - b)
      const pieces = edges.slice(1).map((to, index) => piece(bytes, edges[index]!, to, to < bytes.length))
      if (pieces.length < 2) return
      const order = pieces.map((each, index) => ({ each, key: (seed * (index + 7)) % 101 })).sort((a, b) => a.key - b.key).map(({ each }) => each)
      const reassembler = new Reassembler()
      const whole = order.map((each) => reassembler.add(each, 0)).filter((each) => each !== undefined)
      expect(whole).toHaveLength(1)
      expect(whole[0]!.bytes.subarray(whole[0]!.payload, whole[0]!.end)).toEqual(bytes)
      expect(reassembler.waiting).toBe(0)
    }))
  })

  it('pieces that do not come are forgotten, and there are never too many', () => {
    const reassembler = new Reassembler()
    const bytes = new Uint8Array(65000)
    for (let identification = 0; identification < 2000; identification++) reassembler.add(piece(bytes, 8, 60008, true, identification), 0)
    expect(reassembler.waiting).toBeLessThanOrEqual(1 << 20)
    for (let from = 0; from < 8000; from += 8) reassembler.add(piece(bytes, from, from + 8, true, 5000), 0)
    expect(reassembler.waiting).toBeLessThanOrEqual(1 << 20)
    reassembler.add(piece(bytes, 8, 16, true, 1), 61e9)
    expect(reassembler.waiting).toBe(8)
  })

  it('a fragment header of IPv6 is as RFC 8200 has it', () => {
    const bytes = new Uint8Array(8)
    putFragmentHeader(bytes, 0, 17, 1448, true, 0x12345678)
    expect(bytes).toEqual(hex('1100 05a9 12345678'))
  })
})

describe('DHCP', () => {
  it('messages survive writing and reading, with options longer than 255 bytes', () => {
    const message = {
      operation: 1, transaction: 0xdeadbeef, broadcast: true, clientAddress: parseIp('1.2.3.4'), yourAddress: parseIp('5.6.7.8'), serverAddress: parseIp('9.10.11.12'),
      mac: parseMac('52:54:00:12:34:56'), type: 3, options: new Map([[DHCP_OPTION.HOST_NAME as number, new Uint8Array(600).fill(65)], [50, parseIp('10.0.2.15')]]),
    }
    const bytes = writeDhcp(message)
    const read = readDhcp(bytes, 0, bytes.length)!
    expect(read).toMatchObject({ ...message, options: expect.anything() as unknown })
    expect(read.options.get(DHCP_OPTION.HOST_NAME)).toEqual(new Uint8Array(600).fill(65))
    expect(bytes.length).toBeGreaterThanOrEqual(300)
  })

  it('cut off at any byte they are none, or lack their end', () => {
    const bytes = writeDhcp({
      operation: 1, transaction: 1, broadcast: false, clientAddress: new Uint8Array(4), yourAddress: new Uint8Array(4), serverAddress: new Uint8Array(4), mac: new Uint8Array(6),
      type: 1, options: new Map([[55, Uint8Array.of(1, 3, 6)]]),
    })
    for (let length = 0; length < 243; length++) expect(readDhcp(bytes, 0, length)).toBeUndefined()
  })

  it('of version 6 survive writing and reading', () => {
    const message = { type: 11, transaction: 0xabcdef, options: new Map([[1, Uint8Array.of(1, 2)], [6, new Uint8Array()]]) }
    const bytes = writeDhcpv6(message)
    expect(readDhcpv6(bytes, 0, bytes.length)).toEqual(message)
    expect(readDhcpv6(bytes, 0, bytes.length - 1)).toBeUndefined()
  })
})

describe('DNS', () => {
  it('questions and compressed answers are read', () => {
    const answer = hex(`0007 8180 0001 0002 0000 0000 03 777777 07 6578616d706c65 03 6f7267 00 0001 0001
      c00c 0005 0001 00000e10 0002 c010 c010 0001 0001 00000e10 0004 5db8d822`)
    expect(readDns(answer)).toMatchObject({
      id: 7, response: true, rcode: 0, questions: [{ name: 'www.example.org', type: DNS_TYPE.A }],
      answers: [{ name: 'www.example.org', type: DNS_TYPE.CNAME }, { name: 'example.org', ttl: 3600, data: parseIp('93.184.216.34') }],
    })
  })

  it('pointers that go round or forwards, and labels beyond the end, are malformed', () => {
    for (const name of ['c00c', 'c00e 00', '01 61 c00c', '41', '3f 61', 'c0', '80']) expect(readDns(Uint8Array.of(...hex('0007 0100 0001 0000 0000 0000'), ...hex(name), 0, 1, 0, 1))).toBeUndefined()
    expect(readDns(hex('0007 0100 ffff 0000 0000 0000'))).toBeUndefined()
  })

  it('a query is read as written, and its failure has its question', () => {
    const query = writeDnsQuery(9, 'deb.debian.org', DNS_TYPE.AAAA)
    expect(readDns(query)).toMatchObject({ id: 9, response: false, questions: [{ name: 'deb.debian.org', type: 28, class: 1 }] })
    expect(readDns(dnsFailure(query, 2)!)).toMatchObject({ id: 9, response: true, rcode: 2, questions: [{ name: 'deb.debian.org' }] })
    expect(dnsFailure(dnsFailure(query, 2)!, 2)).toBeUndefined()
    expect(dnsFailure(new Uint8Array(11), 2)).toBeUndefined()
  })

  it('names that are none are refused', () => {
    expect(encodeName('')).toEqual(Uint8Array.of(0))
    expect(encodeName('a.b.')).toEqual(hex('01 61 01 62 00'))
    for (const bad of ['a..b', 'a b', 'x'.repeat(64), `${'a.'.repeat(128)}a`]) expect(() => encodeName(bad)).toThrow(expect.objectContaining({ code: 'network-bad-name' }) as Error)
  })
})
