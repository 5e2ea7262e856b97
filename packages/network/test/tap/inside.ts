// Runs in a network namespace of its own: a TAP interface, an address on the host's side of it, and a station of ours that answers ARP and pings.
import { spawn, spawnSync } from 'node:child_process'
import { openTap } from '../../src/tap/node/index.ts'
import { hostClock } from '../support/clock.ts'

const run = (...command: string[]): void => {
  const { status, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
}
const tap = await openTap({ clock: hostClock(), interface: 'entresol%d' })
const seen = new Set<string>()
tap.port.onReceive((bytes) => {
  const frame = Uint8Array.from(bytes)
  const mac = [2, 0, 0, 0, 0, 9]
  const reply = frame.slice()
  reply.set(frame.subarray(6, 12), 0)
  reply.set(mac, 6)
  if (frame[12] === 8 && frame[13] === 6 && frame[21] === 1) {
    seen.add('arp')
    reply[21] = 2
    reply.set(frame.subarray(22, 32), 32)
    reply.set([...mac, ...frame.subarray(38, 42)], 22)
    tap.port.send(reply)
  }
  // An echo's answer: type 0 in place of 8, which the checksum follows, and the addresses change places.
  if (frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === 8) {
    seen.add('echo')
    reply.set(frame.subarray(30, 34), 26)
    reply.set(frame.subarray(26, 30), 30)
    reply[34] = 0
    reply.set([0, 0], 36)
    tap.port.send(reply, { checksum: { start: 34, offset: 2 }, segmentation: undefined })
  }
  return true
}, { checksum: false, tso4: false, tso6: false, uso: false })
run('ip', 'addr', 'add', '10.77.0.1/24', 'dev', tap.interface)
run('ip', 'link', 'set', tap.interface, 'up')
// Perl's own ICMP: the machine need not have ping.
const ping = spawn('perl', ['-MNet::Ping', '-e', 'exit(Net::Ping->new("icmp", 5)->ping("10.77.0.9") ? 0 : 1)'], { stdio: 'inherit' })
const code = await new Promise((resolve) => ping.on('close', resolve))
const up = tap.port.linkUp
tap.close()
process.stdout.write(JSON.stringify({ name: tap.interface, code, seen: [...seen].sort(), up, after: tap.port.linkUp }))
