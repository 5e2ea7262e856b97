import { describeSuite, networkPortSuite } from '@entresol/compliance'
import type { NetworkPortSubject } from '@entresol/compliance'
import { describe, it } from 'vitest'
import {
  ARP_LENGTH, ETHERNET_HEADER, ETHERTYPE, EthernetSwitch, IP_PROTOCOL, IcmpView, Ipv4View, UserNat, echoMessage, parseIp, parseMac, putArp, putEthernet, putIcmpChecksum, putIpv4,
} from '../../src/index.ts'
import { FakeHost } from './fake-host.ts'
import { TestClock } from './test-clock.ts'

const GUEST = parseMac('52:54:00:12:34:56')
const GATEWAY = parseMac('52:55:0a:00:02:02')

/** A ping of the gateway; its number is the sequence number. */
function ping(number: number): Uint8Array {
  const message = echoMessage(8, 1, number, new Uint8Array(20))
  const frame = new Uint8Array(34 + message.length)
  putEthernet(frame, GATEWAY, GUEST, ETHERTYPE.IPV4)
  putIpv4(frame, 14, { source: parseIp('10.0.2.15'), destination: parseIp('10.0.2.2'), protocol: IP_PROTOCOL.ICMP, length: message.length, hops: 64, identification: 0 })
  frame.set(message, 34)
  putIcmpChecksum(frame, 34, frame.length, undefined)
  return frame
}

function pong(frame: Uint8Array): number | undefined {
  const ip = new Ipv4View()
  const icmp = new IcmpView()
  if (!ip.read(frame, ETHERNET_HEADER, frame.length) || ip.protocol !== IP_PROTOCOL.ICMP || !icmp.read(ip) || icmp.type !== 0) return undefined
  return icmp.sequence
}

const makeNat = (): UserNat => new UserNat({ clock: new TestClock(), random: { nextU32: () => 7 }, sockets: new FakeHost() })

describe('the NAT', () => {
  describeSuite(networkPortSuite, (): NetworkPortSubject => ({ port: makeNat().port, request: ping, answered: pong, settle: () => undefined }), { describe, it })
})

describe('a port of a switch with the NAT behind it', () => {
  describeSuite(networkPortSuite, (): NetworkPortSubject => {
    const clock = new TestClock()
    const lan = new EthernetSwitch({ clock })
    const port = lan.createPort()
    const other = lan.createPort()
    // What ARP would ask for, with its sender's address in the header's place: the switch learns where the gateway is.
    const hello = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH)
    putEthernet(hello, GUEST, GATEWAY, ETHERTYPE.ARP)
    putArp(hello, ETHERNET_HEADER, { operation: 2, senderMac: GATEWAY, sender: parseIp('10.0.2.2'), targetMac: GUEST, target: parseIp('10.0.2.15') })
    const nat = makeNat().port
    other.onReceive((frame, unfinished) => {
      nat.send(frame, unfinished)
      return true
    }, nat.offloads)
    nat.onReceive((frame, unfinished) => {
      other.send(frame, unfinished)
      return true
    }, other.offloads)
    other.send(hello)
    return { port, request: ping, answered: pong, settle: () => clock.advance(1e9), setLink: (up) => port.setLink(up) }
  }, { describe, it })
})
