import { describe, expect, it } from 'vitest'
import {
  DHCP_OPTION, DHCP_TYPE, DNS_RCODE, DNS_TYPE, ETHERTYPE, IP_PROTOCOL, encodeName, formatIp, formatMac, natPolicy, parseIp, put16, putEthernet, putFragmentHeader,
  putIcmpChecksum, putIpv4, putUdp, readArp, readDhcp, readDhcpv6, readDns, writeDhcp, writeDhcpv6, writeDnsQuery,
} from '../../src/index.ts'
import type { DhcpMessage } from '../../src/index.ts'
import { bytes, setUp } from './set-up.ts'
import type { Setup } from './set-up.ts'

const NOWHERE = new Uint8Array(4)

/** Sends a DHCP message as a client without address does, and returns the answer. */
function dhcp({ guest }: Setup, type: number, options: [number, Uint8Array][] = [], mac = guest.mac, client = NOWHERE): DhcpMessage | undefined {
  const payload = writeDhcp({
    operation: 1, transaction: 0x12345678, broadcast: false, clientAddress: client, yourAddress: NOWHERE, serverAddress: NOWHERE, mac, type,
    options: new Map(options),
  })
  const frame = new Uint8Array(14 + 28 + payload.length)
  putEthernet(frame, new Uint8Array(6).fill(255), mac, ETHERTYPE.IPV4)
  putIpv4(frame, 14, { source: client, destination: new Uint8Array(4).fill(255), protocol: IP_PROTOCOL.UDP, length: 8 + payload.length, hops: 64, identification: 0 })
  frame.set(payload, 42)
  putUdp(frame, 34, 68, 67, payload.length, 26, 8)
  const before = guest.datagrams.length
  guest.send(frame)
  const answer = guest.datagrams[before]
  if (answer === undefined) return undefined
  expect(answer).toMatchObject({ source: '10.0.2.2', sourcePort: 67, port: 68 })
  return readDhcp(answer.payload, 0, answer.payload.length)
}

describe('ARP and neighbour discovery', () => {
  it('answer for the gateway and the resolver, and for nobody else', () => {
    const { guest } = setUp()
    for (const target of ['10.0.2.2', '10.0.2.3', '10.0.2.99', '10.0.2.15', '8.8.8.8']) guest.arp(parseIp(target))
    const answers = guest.seen.map((frame) => readArp(frame, 14)!)
    expect(answers.map((each) => [formatIp(each.sender), formatMac(each.senderMac)])).toEqual([
      ['10.0.2.2', '52:55:0a:00:02:02'], ['10.0.2.3', '52:55:0a:00:02:02'],
    ])
  })

  const ndp = ({ guest }: Setup, type: number, body: Uint8Array, source = 'fe80::5054:ff:fe12:3456', hops = 255): void => {
    const packet = guest.packet(parseIp('ff02::2'), IP_PROTOCOL.ICMPV6, 4 + body.length, (frame, at, addresses) => {
      frame.set(parseIp(source), addresses)
      frame[21] = hops
      frame[at] = type
      frame.set(body, at + 4)
      putIcmpChecksum(frame, at, frame.length, addresses)
    })
    guest.send(packet)
  }

  it('a router solicitation is answered with prefix, MTU, resolver and search list', () => {
    const setup = setUp({ dnssearch: ['example.org'] })
    ndp(setup, 133, new Uint8Array(4))
    const [advertisement] = setup.guest.icmp
    expect(advertisement).toMatchObject({ source: 'fe80::2', type: 134 })
    const options = new Map<number, Uint8Array>()
    for (let at = 16; at < advertisement!.bytes.length; at += advertisement!.bytes[at + 1]! * 8) {
      options.set(advertisement!.bytes[at]!, advertisement!.bytes.subarray(at, at + advertisement!.bytes[at + 1]! * 8))
    }
    expect(formatIp(options.get(3)!, 16, 16)).toBe('fec0::')
    expect(options.get(3)!.subarray(2, 4)).toEqual(Uint8Array.of(64, 0xc0))
    expect(formatIp(options.get(25)!, 8, 16)).toBe('fec0::3')
    expect(options.get(31)!.subarray(8, 21)).toEqual(encodeName('example.org'))
    expect(options.get(5)!.subarray(4)).toEqual(Uint8Array.of(0, 0, 5, 220))
    setup.clock.advance(601e9)
    expect(setup.guest.icmp).toHaveLength(2)
  })

  it('a neighbour solicitation is answered for our addresses only, and not when it came from behind a router', () => {
    const setup = setUp()
    const body = (target: string): Uint8Array => Uint8Array.of(0, 0, 0, 0, ...parseIp(target), 1, 1, ...setup.guest.mac)
    for (const target of ['fec0::2', 'fec0::3', 'fe80::2', 'fec0::99']) ndp(setup, 135, body(target))
    ndp(setup, 135, body('fec0::2'), undefined, 64)
    expect(setup.guest.icmp.map((each) => [each.type, formatIp(each.bytes, 8, 16)])).toEqual([[136, 'fec0::2'], [136, 'fec0::3'], [136, 'fe80::2']])
  })

  it('a malformed solicitation is not answered', () => {
    const setup = setUp()
    for (const body of [[0, 0, 0, 0], [0, 0, 0, 0, ...parseIp('fec0::2'), 1, 0], [0, 0, 0, 0, ...parseIp('fec0::2'), 1, 9, 0, 0, 0, 0, 0, 0]]) ndp(setup, 135, Uint8Array.from(body))
    expect(setup.guest.seen).toHaveLength(0)
  })
})

describe('DHCP', () => {
  it('gives the first address, mask, router, resolver and names', () => {
    const setup = setUp({ hostname: 'box', domainname: 'example.org', dnssearch: ['a.example', 'b.example'] })
    const offer = dhcp(setup, DHCP_TYPE.DISCOVER)!
    expect(offer).toMatchObject({ type: DHCP_TYPE.OFFER, transaction: 0x12345678 })
    expect(formatIp(offer.yourAddress)).toBe('10.0.2.15')
    const ack = dhcp(setup, DHCP_TYPE.REQUEST, [[DHCP_OPTION.REQUESTED_ADDRESS, offer.yourAddress], [DHCP_OPTION.SERVER_ID, parseIp('10.0.2.2')]])!
    expect(ack.type).toBe(DHCP_TYPE.ACK)
    const text = (code: number): string => new TextDecoder().decode(ack.options.get(code))
    const ip = (code: number): string => formatIp(ack.options.get(code)!)
    expect([ip(1), ip(3), ip(6), ip(54), text(12), text(15)]).toEqual(['255.255.255.0', '10.0.2.2', '10.0.2.3', '10.0.2.2', 'box', 'example.org'])
    expect(ack.options.get(119)).toEqual(Uint8Array.of(...encodeName('a.example'), ...encodeName('b.example')))
    expect(ack.options.get(51)).toEqual(Uint8Array.of(0, 1, 0x51, 0x80))
  })

  it('keeps a guest’s address, gives others to others, and refuses what is taken', () => {
    const setup = setUp()
    const mac = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, last)
    const got = [1, 2, 1, 3].map((last) => formatIp(dhcp(setup, DHCP_TYPE.REQUEST, [[50, dhcp(setup, DHCP_TYPE.DISCOVER, [], mac(last))!.yourAddress]], mac(last))!.yourAddress))
    expect(got).toEqual(['10.0.2.15', '10.0.2.16', '10.0.2.15', '10.0.2.17'])
    expect(dhcp(setup, DHCP_TYPE.REQUEST, [[50, parseIp('10.0.2.15')]], mac(9))!.type).toBe(DHCP_TYPE.NAK)
    expect(dhcp(setup, DHCP_TYPE.REQUEST, [[50, parseIp('192.168.0.1')]], mac(10))!.type).toBe(DHCP_TYPE.NAK)
    expect(formatIp(dhcp(setup, DHCP_TYPE.REQUEST, [[50, parseIp('10.0.2.40')]], mac(11))!.yourAddress)).toBe('10.0.2.40')
  })

  it('runs out of addresses without harm', () => {
    const setup = setUp({ dhcpstart: '10.0.2.250' })
    const offers = Array.from({ length: 300 }, (_, index) => dhcp(setup, DHCP_TYPE.DISCOVER, [], Uint8Array.of(2, 0, 0, 0, index >> 8, index)))
    expect(offers.filter((offer) => offer !== undefined).map((offer) => offer.yourAddress[3])).toEqual([250, 251, 252, 253, 254])
    setup.clock.advance(61e9)
    expect(dhcp(setup, DHCP_TYPE.DISCOVER, [], Uint8Array.of(2, 0, 0, 0, 9, 9))).toBeDefined()
  })

  it('tells restricted guests of no router and no resolver', () => {
    const offer = dhcp(setUp({ restrict: true }), DHCP_TYPE.DISCOVER)!
    expect([...offer.options.keys()].sort((a, b) => a - b)).toEqual([1, 51, 53, 54])
  })

  it('stateless DHCPv6 tells the resolver', () => {
    const { guest } = setUp({ dnssearch: ['example.org'] })
    guest.udp('ff02::1:2', 547, writeDhcpv6({ type: 11, transaction: 0xabcdef, options: new Map([[1, Uint8Array.of(1, 2, 3)], [6, Uint8Array.of(0, 23)]]) }), 546)
    const answer = readDhcpv6(guest.datagrams[0]!.payload, 0, guest.datagrams[0]!.payload.length)!
    expect(answer).toMatchObject({ type: 7, transaction: 0xabcdef })
    expect(formatIp(answer.options.get(23)!)).toBe('fec0::3')
    expect(answer.options.get(1)).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe('pings', () => {
  it('to us are answered', () => {
    const { guest } = setUp()
    for (const to of ['10.0.2.2', '10.0.2.3', 'fec0::2', 'fec0::3']) guest.ping(to, bytes(100))
    expect(guest.icmp.map((each) => [each.source, each.type])).toEqual([['10.0.2.2', 0], ['10.0.2.3', 0], ['fec0::2', 129], ['fec0::3', 129]])
    expect(guest.icmp[0]!.bytes.subarray(8)).toEqual(bytes(100))
  })

  it('beyond us go through the host where it can, and are unreachable where not or where the policy forbids', () => {
    const { guest, host } = setUp()
    guest.ping('93.184.216.34')
    expect(guest.icmp[0]).toMatchObject({ source: '10.0.2.2', type: 3, code: 0 })
    host.echo = (address, _payload, done) => done(address === '93.184.216.34')
    guest.ping('93.184.216.34')
    guest.ping('93.184.216.35')
    expect(guest.icmp.slice(1)).toMatchObject([{ source: '93.184.216.34', type: 0 }])
    const denied = setUp({ policy: natPolicy() })
    denied.guest.ping('192.168.0.1')
    denied.guest.ping('fd00::1')
    expect(denied.guest.icmp).toMatchObject([{ type: 3, code: 13 }, { type: 1, code: 1 }])
  })
})

describe('names', () => {
  it('are asked of the host’s resolver, whose answer comes from ours', () => {
    const { guest, host } = setUp({ policy: natPolicy() })
    const query = writeDnsQuery(7, 'deb.debian.org', DNS_TYPE.A)
    for (const resolver of ['10.0.2.3', 'fec0::3']) {
      guest.udp(resolver, 53, query, 4000)
      expect(host.sockets.at(-1)!.sent).toEqual([{ bytes: query, to: host.servers[0] }])
      host.sockets.at(-1)!.received(Uint8Array.of(1, 2, 3), host.servers[0]!)
      expect(guest.datagrams.at(-1)).toMatchObject({ source: resolver, sourcePort: 53, port: 4000, payload: Uint8Array.of(1, 2, 3) })
    }
  })

  it('are asked of the next resolver when one is silent, and not sooner', () => {
    const { guest, host, clock } = setUp()
    host.servers = [{ address: '192.0.2.1', port: 53 }, { address: '2001:db8::1', port: 5353 }]
    const ask = (): void => guest.udp('10.0.2.3', 53, writeDnsQuery(7, 'a.example', DNS_TYPE.A), 4000)
    ask()
    ask()
    clock.advance(2e9)
    ask()
    expect(host.sockets[0]!.sent.map(({ to }) => to)).toEqual([host.servers[0], host.servers[0], host.servers[1]])
    host.sockets[0]!.received(Uint8Array.of(1), host.servers[0]!)
    expect(guest.datagrams).toHaveLength(1)
  })

  it('are asked over TCP too', () => {
    const { guest, host } = setUp({ policy: natPolicy() })
    guest.connect('10.0.2.3', 53)
    expect(host.last.to).toEqual(host.servers[0])
    guest.connect('10.0.2.3', 80)
    expect(host.streams).toHaveLength(1)
  })

  it('fail at once without a resolver', () => {
    const { guest, host } = setUp()
    host.servers = []
    guest.udp('10.0.2.3', 53, writeDnsQuery(7, 'deb.debian.org', DNS_TYPE.A))
    expect(readDns(guest.datagrams[0]!.payload)).toMatchObject({ id: 7, response: true, rcode: DNS_RCODE.SERVER_FAILURE, questions: [{ name: 'deb.debian.org' }] })
  })
})

describe('datagrams', () => {
  it('go out by one socket for each port of the guest, and come back from whom they went to', () => {
    const { guest, host } = setUp()
    guest.udp('10.0.2.2', 5000, bytes(10), 1111)
    guest.udp('93.184.216.34', 6000, bytes(20), 1111)
    guest.udp('fec0::2', 5000, bytes(10), 1111)
    expect(host.sockets).toHaveLength(2)
    const [four, six] = host.sockets
    expect(four!.sent.map(({ to }) => to)).toEqual([{ address: '127.0.0.1', port: 5000 }, { address: '93.184.216.34', port: 6000 }])
    expect(six!.sent[0]!.to).toEqual({ address: '::1', port: 5000 })
    four!.received(bytes(3), { address: '127.0.0.1', port: 5000 })
    four!.received(bytes(3), { address: '93.184.216.34', port: 6001 })
    four!.received(bytes(3), { address: '6.6.6.6', port: 6000 })
    expect(guest.datagrams).toMatchObject([{ source: '10.0.2.2', sourcePort: 5000, port: 1111 }])
  })

  it('are denied by policy and restriction with an ICMP message', () => {
    for (const setup of [setUp({ policy: natPolicy() }), setUp({ restrict: true })]) {
      setup.guest.udp('10.0.2.2', 5000, bytes(10))
      setup.guest.udp('192.168.1.1', 5000, bytes(10))
      expect(setup.host.sockets).toHaveLength(0)
      expect(setup.guest.icmp).toMatchObject([{ type: 3, code: 13 }, { type: 3, code: 13 }])
    }
  })

  it('of more than an MTU come in fragments, and are put together from fragments', () => {
    const { guest, host } = setUp()
    const data = bytes(5000)
    const whole = guest.packet(parseIp('10.0.2.2'), IP_PROTOCOL.UDP, 5008, (frame, at, addresses, size) => {
      frame.set(data, at + 8)
      putUdp(frame, at, 1111, 5000, data.length, addresses, size)
    })
    for (const from of [2960, 0, 1480, 4440]) {
      const piece = whole.subarray(34 + from, Math.min(whole.length, 34 + from + 1480))
      const frame = new Uint8Array(34 + piece.length)
      putEthernet(frame, guest.gateway, guest.mac, ETHERTYPE.IPV4)
      const fragment = { offset: from, more: from < 4440 }
      putIpv4(frame, 14, { source: guest.ip4, destination: parseIp('10.0.2.2'), protocol: 17, length: piece.length, hops: 64, identification: 99, fragment })
      frame.set(piece, 34)
      guest.send(frame)
    }
    expect(host.sockets[0]!.sent[0]!.bytes).toEqual(data)
    host.sockets[0]!.received(data, { address: '127.0.0.1', port: 5000 })
    expect(guest.seen.filter((frame) => frame.length > 500)).toHaveLength(4)
    expect(Math.max(...guest.seen.map((frame) => frame.length))).toBeLessThanOrEqual(1514)
  })

  it('of IPv6 are put together too, overlaps are not', () => {
    const { guest, host } = setUp()
    const data = bytes(2000)
    const whole = guest.packet(parseIp('fec0::2'), IP_PROTOCOL.UDP, 2008, (frame, at, addresses, size) => {
      frame.set(data, at + 8)
      putUdp(frame, at, 1111, 5000, data.length, addresses, size)
    })
    const send = (from: number, to: number, identification: number): void => {
      guest.send(guest.packet(parseIp('fec0::2'), IP_PROTOCOL.FRAGMENT, 8 + to - from, (frame, at) => {
        putFragmentHeader(frame, at, IP_PROTOCOL.UDP, from, to < 2008, identification)
        frame.set(whole.subarray(54 + from, 54 + to), at + 8)
      }))
    }
    send(1000, 2008, 1)
    send(992, 1000, 1)
    send(0, 992, 1)
    expect(host.sockets[0]!.sent[0]!.bytes).toEqual(data)
    send(0, 1000, 2)
    send(992, 2008, 2)
    send(1000, 2008, 2)
    expect(host.sockets[0]!.sent).toHaveLength(1)
  })

  it('to be cut are cut', () => {
    const { guest, host } = setUp()
    const data = bytes(5000)
    const frame = guest.packet(parseIp('10.0.2.2'), IP_PROTOCOL.UDP, 8 + data.length, (into, at) => {
      put16(into, at, 1111)
      put16(into, at + 2, 5000)
      put16(into, at + 4, 8 + data.length)
      into.set(data, at + 8)
    })
    guest.send(frame, { checksum: { start: 34, offset: 6 }, segmentation: { kind: 'udp', size: 1200, headerLength: 42 } })
    expect(host.sockets[0]!.sent.map((each) => each.bytes.length)).toEqual([1200, 1200, 1200, 1200, 200])
  })

  it('of a silent port are forgotten in time, and the oldest when there are too many', () => {
    const { guest, host, clock, nat } = setUp({ limits: { associations: 4 } })
    for (let port = 1; port <= 6; port++) {
      guest.udp('10.0.2.2', 5000, bytes(1), port)
      clock.advance(1e6)
    }
    expect(host.sockets.map((socket) => socket.closed)).toEqual([true, true, false, false, false, false])
    clock.advance(300e9)
    expect(host.sockets.every((socket) => socket.closed)).toBe(true)
    expect(nat.statistics.associations).toBe(0)
    expect(clock.pending).toBe(0)
  })

  it('to a forwarded port reach the guest, and answers whoever sent them', async () => {
    const { guest, host, nat } = setUp()
    await nat.forwardToGuest({ protocol: 'udp', hostAddress: undefined, hostPort: 9999, guestAddress: undefined, guestPort: 99 })
    guest.arp(parseIp('10.0.2.2'))
    host.sockets[0]!.received(bytes(5), { address: '127.0.0.1', port: 1234 })
    host.sockets[0]!.received(bytes(6), { address: '203.0.113.9', port: 1234 })
    expect(guest.datagrams).toMatchObject([{ source: '10.0.2.2', sourcePort: 1234, port: 99 }, { source: '203.0.113.9', sourcePort: 1234, port: 99 }])
    guest.udp('10.0.2.2', 1234, bytes(7), 99)
    guest.udp('203.0.113.9', 1234, bytes(8), 99)
    expect(host.sockets).toHaveLength(1)
    expect(host.sockets[0]!.sent.map(({ to }) => to)).toEqual([{ address: '127.0.0.1', port: 1234 }, { address: '203.0.113.9', port: 1234 }])
  })

  it('to a guest not seen yet wait until it is found', async () => {
    const { guest, host, nat } = setUp()
    await nat.forwardToGuest({ protocol: 'udp', hostAddress: undefined, hostPort: 9999, guestAddress: undefined, guestPort: 99 })
    host.sockets[0]!.received(bytes(5), { address: '127.0.0.1', port: 1234 })
    expect(guest.datagrams).toHaveLength(1)
  })
})

describe('options', () => {
  it.each([{ net: '10.0.2.0/31' }, { net: 'x' }, { host: '10.0.3.1' }, { dns: '10.0.2.2' }, { dhcpstart: '1.2.3.4' }, { ipv6Net: 'fec0::/48' }, { mtu: 100 }, { hostname: 'a b' }])(
    'refuses %j with a code', (options) => {
      expect(() => setUp(options)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^network-bad-/) as string }) as Error)
    })

  it('a version that is off is silent', () => {
    const { guest } = setUp({ ipv4: false })
    guest.arp(parseIp('10.0.2.2'))
    guest.ping('10.0.2.2')
    guest.ping('fec0::2')
    expect(guest.icmp).toMatchObject([{ source: 'fec0::2' }])
    const six = setUp({ ipv6: false })
    six.guest.ping('fec0::2')
    six.guest.ping('10.0.2.2')
    expect(six.guest.icmp).toMatchObject([{ source: '10.0.2.2' }])
  })

  it('closing takes the link down, and all host sockets with it', () => {
    const { guest, host, nat, clock } = setUp()
    const changes: boolean[] = []
    nat.port.onLinkChange((up) => changes.push(up))
    guest.connect('10.0.2.2', 80)
    guest.udp('10.0.2.2', 5000, bytes(1))
    nat.close()
    expect([nat.port.linkUp, changes, host.last.wasReset, host.sockets[0]!.closed, clock.pending]).toEqual([false, [false], true, true, 0])
    guest.ping('10.0.2.2')
    expect(guest.icmp).toHaveLength(0)
  })
})
