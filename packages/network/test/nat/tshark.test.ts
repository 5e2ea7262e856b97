import { describe, expect, it } from 'vitest'
import { DHCP_TYPE, DNS_TYPE, IP_PROTOCOL, dnsFailure, parseIp, putIcmpChecksum, writeDhcp, writeDhcpv6, writeDnsQuery } from '../../src/index.ts'
import { NO_TSHARK, dissect, hasTshark } from '../support/tshark.ts'
import { bytes, setUp } from './set-up.ts'
import { ALL, NONE } from './tiny-guest.ts'

/** A capture file (pcap, Ethernet) of frames. */
function capture(frames: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt32LE(0x0004_0002, 4)
  header.writeUInt32LE(262_144, 16)
  header.writeUInt32LE(1, 20)
  return Buffer.concat([header, ...frames.flatMap((frame, index) => {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(index, 0)
    record.writeUInt32LE(frame.length, 8)
    record.writeUInt32LE(frame.length, 12)
    return [record, frame]
  })])
}

/** Everything the NAT says: services, errors, fragments, connections of both versions from SYN to FIN. */
function session(accepts: typeof NONE): Uint8Array[] {
  const { guest, host, clock } = setUp({ dnssearch: ['example.org', 'b.example'], hostname: 'box', domainname: 'example.org' }, accepts)
  const frames: Uint8Array[] = []
  guest.wire = {
    toNat: (frame, send) => {
      frames.push(frame.slice())
      send(frame)
    },
    toGuest: (frame, receive) => {
      frames.push(frame.slice())
      receive(frame)
    },
  }
  guest.arp(parseIp('10.0.2.2'))
  for (const to of ['10.0.2.2', 'fec0::2', '8.8.8.8', '2001:4860::8888']) guest.ping(to, bytes(33))
  const none = new Uint8Array(4)
  const discover = {
    operation: 1, transaction: 7, broadcast: false, clientAddress: none, yourAddress: none, serverAddress: none, mac: guest.mac, type: DHCP_TYPE.DISCOVER as number,
    options: new Map<number, Uint8Array>(),
  }
  guest.udp('10.0.2.2', 67, writeDhcp(discover), 68)
  guest.udp('10.0.2.2', 67, writeDhcp({ ...discover, type: DHCP_TYPE.REQUEST, options: new Map([[50, guest.ip4]]) }), 68)
  guest.udp('ff02::1:2', 547, writeDhcpv6({ type: 11, transaction: 7, options: new Map([[1, Uint8Array.of(0, 3, 0, 1, ...guest.mac)], [8, Uint8Array.of(0, 0)]]) }), 546)
  for (const [type, body] of [[133, [0, 0, 0, 0]], [135, [0, 0, 0, 0, ...parseIp('fec0::2'), 1, 1, ...guest.mac]]] as const) {
    guest.send(guest.packet(parseIp('ff02::2'), IP_PROTOCOL.ICMPV6, 4 + body.length, (frame, at, addresses) => {
      frame[21] = 255
      frame[at] = type
      frame.set(body, at + 4)
      putIcmpChecksum(frame, at, frame.length, addresses)
    }))
  }
  const query = writeDnsQuery(7, 'deb.debian.org', DNS_TYPE.A)
  for (const to of ['10.0.2.3', 'fec0::3']) guest.udp(to, 53, query)
  for (const socket of host.sockets) socket.received(dnsFailure(query, 3)!, host.servers[0]!)
  for (const to of ['10.0.2.2', 'fec0::2']) {
    guest.udp(to, 9, bytes(31), 4444)
    host.sockets.at(-1)!.received(bytes(4001), { address: to === '10.0.2.2' ? '127.0.0.1' : '::1', port: 9 })
    const connection = guest.connect(to, 7777, { scale: 5 })
    host.last.events!.opened()
    connection.write(bytes(5001))
    host.last.events!.data(bytes(30_001))
    connection.end()
    host.last.events!.ended()
    guest.connect(to, 81)
    host.last.fail('refused')
    guest.connect(to === '10.0.2.2' ? '10.9.9.9' : '2001:db8::1', 82)
    host.last.fail('unreachable')
    clock.advance(2e9)
  }
  return frames
}

describe.skipIf(!hasTshark)(`tshark${hasTshark ? '' : ` (skipped: ${NO_TSHARK})`}`, { timeout: 60_000 }, () => {
  const verify = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((option) => ['-o', `${option}:TRUE`])

  it.each([['without offloads', NONE], ['with segments cut behind it', ALL]])('finds nothing malformed and every checksum right in what we send, %s', (_what, accepts) => {
    const file = capture(session(accepts))
    const statuses = ['ip.checksum.status', 'icmp.checksum.status', 'icmpv6.checksum.status', 'tcp.checksum.status', 'udp.checksum.status']
    const rows = dissect(file, ['frame.protocols', '_ws.malformed', '_ws.expert.message', ...statuses], ...verify)
    for (const [protocols, malformed, , ...checksums] of rows) {
      expect([protocols, malformed]).toEqual([protocols, ''])
      // 1 is good, 2 not checked (a fragment), 0 bad. ICMP errors quote the front of a packet, whose checksum nobody can check.
      const own = /icmp/.test(protocols!) ? checksums.slice(0, 3) : checksums
      expect([protocols, ...own.map((status) => status.split(',')[0]).filter((status) => status === '0')]).toEqual([protocols])
    }
    const messages = rows.map(([, , message]) => message!).filter((message) => /bogus|invalid|malformed|illegal|exceeds|unknown option/i.test(message))
    expect(messages).toEqual([])
    const seen = new Set(rows.flatMap(([protocols]) => protocols!.split(':')))
    expect(['arp', 'ip', 'ipv6', 'icmp', 'icmpv6', 'udp', 'tcp', 'dhcp', 'dhcpv6', 'dns'].filter((protocol) => !seen.has(protocol))).toEqual([])
  })

  it('reads our DHCP, router advertisement and TCP options as they are meant', () => {
    const fields = [
      'dhcp.option.dhcp', 'dhcp.ip.your', 'dhcp.option.subnet_mask', 'dhcp.option.router', 'dhcp.option.domain_name_server', 'dhcp.option.hostname', 'icmpv6.type',
      'icmpv6.opt.prefix', 'icmpv6.opt.rdnss', 'icmpv6.opt.dnssl', 'icmpv6.opt.mtu', 'dhcpv6.msgtype', 'dhcpv6.dns_server', 'tcp.flags', 'tcp.options.mss_val',
      'tcp.options.wscale.shift', 'tcp.port', 'tcp.analysis.retransmission', 'tcp.analysis.lost_segment', 'tcp.analysis.ack_lost_segment', 'udp.length', 'udp.dstport',
    ]
    const rows = dissect(capture(session(NONE)), fields)
    /** Of the packets whose first field is so: the other fields. */
    const values = (field: string, value: string, ...others: string[]): string[][] => rows.filter((row) => row[fields.indexOf(field)]?.startsWith(value) === true)
      .map((row) => others.map((other) => row[fields.indexOf(other)]!))
    expect(values('dhcp.option.dhcp', '2', ...fields.slice(1, 6))).toEqual([['10.0.2.15', '255.255.255.0', '10.0.2.2', '10.0.2.3', 'box']])
    expect(values('icmpv6.type', '134', ...fields.slice(7, 11))).toEqual([['fec0::', 'fec0::3', 'example.org,b.example', '1500']])
    expect(values('dhcpv6.msgtype', '7', 'dhcpv6.dns_server')).toEqual([['fec0::3']])
    expect(values('tcp.flags', '0x0012', 'tcp.options.mss_val', 'tcp.options.wscale.shift')).toEqual([['1460', '7'], ['1440', '7']])
    for (const port of ['7777,', '30000,7777', '30003,7777']) for (const row of values('tcp.port', port, ...fields.slice(17, 20))) expect(row).toEqual(['', '', ''])
    expect(values('udp.length', '4009', 'udp.dstport')).toEqual([['4444'], ['4444']])
  })
})
