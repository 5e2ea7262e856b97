import { describeSuite, networkPortSuite } from '@entresol/compliance'
import type { NetworkPortSubject } from '@entresol/compliance'
import type { NetworkPort } from '@entresol/interfaces'
import { afterEach, describe, it } from 'vitest'
import { connectLink, listenLink } from '../../src/links/index.ts'
import type { DatagramListener, HostSockets } from '../../src/nat/index.ts'
import { nodeSockets } from '../../src/node/index.ts'
import { capturePort } from '../../src/pcap/index.ts'
import { createCable, EthernetSwitch, joinPorts } from '../../src/switch/index.ts'
import { Vxlan } from '../../src/vxlan/index.ts'
import { hostClock, until } from '../support/clock.ts'
import { BROADCAST, frame, ManualClock, NONE } from '../support/devices.ts'

const REQUEST = 0x88b5
const ANSWER = 0x88b6

const numbered = (type: number, number: number, length: number): Uint8Array => {
  const bytes = frame(BROADCAST, type === REQUEST ? 2 : 4, '', { type, length })
  bytes.set([number >> 8, number & 0xff], 14)
  return bytes
}
const numberOf = (type: number, bytes: Uint8Array): number | undefined =>
  bytes.length >= 16 && bytes[12] === type >> 8 && bytes[13] === (type & 0xff) ? bytes[14]! * 256 + bytes[15]! : undefined

/** Somebody at the far end who answers at once. */
function answering(port: NetworkPort): void {
  port.onReceive((bytes) => {
    const number = numberOf(REQUEST, bytes)
    if (number !== undefined) port.send(numbered(ANSWER, number, bytes.length))
    return true
  }, NONE)
}

const subject = (port: NetworkPort, settle: () => void | Promise<void>, length: number = 60): NetworkPortSubject =>
  ({ port, settle, request: (number) => numbered(REQUEST, number, length), answered: (bytes) => numberOf(ANSWER, bytes) })

const framework = { describe, it }

describe('a port of the switch', () => describeSuite(networkPortSuite, () => {
  const clock = new ManualClock()
  const lan = new EthernetSwitch({ clock })
  const port = lan.createPort()
  answering(lan.createPort())
  return { ...subject(port, () => clock.advance(1)), setLink: (up) => port.setLink(up) }
}, framework))

describe('two switches, with VLANs between them', () => describeSuite(networkPortSuite, () => {
  const clock = new ManualClock()
  const [near, far] = [new EthernetSwitch({ clock }), new EthernetSwitch({ clock })]
  const port = near.createPort({ vlan: { mode: 'access', id: 5 } })
  joinPorts(near.createPort({ vlan: { mode: 'trunk' } }), far.createPort({ vlan: { mode: 'trunk', allowed: [5] } }))
  answering(far.createPort({ vlan: { mode: 'access', id: 5 } }))
  return subject(port, () => clock.advance(1))
}, framework))

describe('an end of a cable', () => describeSuite(networkPortSuite, () => {
  const clock = new ManualClock()
  const [port, other] = createCable(clock)
  answering(other)
  return subject(port, () => clock.advance(1))
}, framework))

describe('a port that is captured', () => describeSuite(networkPortSuite, () => {
  const clock = new ManualClock()
  const [port, other] = createCable(clock)
  answering(other)
  return subject(capturePort(port, { clock, write: () => undefined }), () => clock.advance(1))
}, framework))

describe('a VXLAN network', () => describeSuite(networkPortSuite, async () => {
  const clock = new ManualClock()
  const ends = new Map<string, DatagramListener>()
  const sockets = {
    bind: (address: string, port: number, received: DatagramListener) => {
      ends.set(address, received)
      return Promise.resolve({ port, close: () => undefined, send: (bytes: Uint8Array, to: { address: string }) => ends.get(to.address)!(bytes.slice(), { address, port }) })
    }
  } as unknown as HostSockets
  const [near, far] = await Promise.all(['192.0.2.1', '192.0.2.2'].map((address) => Vxlan.open({ sockets, clock, address })))
  const network = near!.createPort({ vni: 1, remotes: [{ address: '192.0.2.2', port: 4789 }] })
  answering(far!.createPort({ vni: 1, remotes: [{ address: '192.0.2.1', port: 4789 }] }).port)
  return subject(network.port, () => clock.advance(1))
}, framework))

describe('a TCP link', () => {
  const closing: (() => void)[] = []
  afterEach(() => { for (const close of closing.splice(0)) close() })
  describeSuite(networkPortSuite, async () => {
    const clock = hostClock()
    const server = await listenLink({ sockets: nodeSockets, clock, address: '127.0.0.1', port: 0 })
    const client = connectLink({ sockets: nodeSockets, clock, to: { address: '127.0.0.1', port: server.localPort } })
    closing.push(() => server.close(), () => client.close())
    answering(server.port)
    await until(() => server.port.linkUp && client.port.linkUp)
    // Frames are long: the host's own buffers hold few of them.
    const state = (): string => JSON.stringify([server.counters, client.counters])
    return subject(client.port, async () => {
      for (let before = '', quiet = 0; quiet < 10; before = state()) {
        await new Promise((resolve) => setTimeout(resolve, 3))
        quiet = before === state() ? quiet + 1 : 0
      }
    }, 1400)
  }, framework)
})
