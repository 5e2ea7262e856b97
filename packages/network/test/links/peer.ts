// The other process of the tests: joins two links of its own by a switch port each, so that what comes in on one goes out on the other.
import { connectLink, datagramLink } from '../../src/links/index.ts'
import { nodeSockets as sockets } from '../../src/node/index.ts'
import { EthernetSwitch, joinPorts } from '../../src/switch/index.ts'
import { hostClock } from '../support/clock.ts'

const [tcpPort, udpLocal, udpRemote] = process.argv.slice(2).map(Number) as [number, number, number]
const clock = hostClock()
const lan = new EthernetSwitch({ clock })
joinPorts(lan.createPort(), connectLink({ sockets, clock, to: { address: '127.0.0.1', port: tcpPort } }).port)
const udp = await datagramLink({ sockets, clock, local: { address: '127.0.0.1', port: udpLocal }, remote: { address: '127.0.0.1', port: udpRemote } })
joinPorts(lan.createPort(), udp.port)
process.stdout.write('ready\n')
