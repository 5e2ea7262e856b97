import { randomFillSync } from 'node:crypto'
import type { NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { openPolicy, UserNat } from '@entresol/network'
import { nodeSockets } from '@entresol/network/node'
import type { Configuration, NetdevOptions } from '../options/index.ts'
import { timerClock } from '../timer-clock.ts'

/** Random numbers of the host. */
const random = {
  nextU32: (): number => randomFillSync(new Uint32Array(1))[0]!
}

/** What closes with the machine. */
interface Opened {
  closing(close: () => Promise<void> | void): void
}

/** Opens the netdevs of the command line; a card gets the end of the one it names. Throws CodedError with one line that starts with the option. */
export async function openNetworks(c: Configuration, opened: Opened): Promise<(id: string) => NetworkPort> {
  const ports = new Map<string, NetworkPort>()
  for (const netdev of c.netdevs) {
    try {
      ports.set(netdev.id, await openNetdev(netdev, opened))
    } catch (error) {
      throw error instanceof CodedError ? new CodedError(error.code, `-netdev ${netdev.kind},id=${netdev.id}: ${error.message}`, { cause: error }) : error
    }
  }
  return (id) => ports.get(id)!
}

async function openNetdev(netdev: NetdevOptions, opened: Opened): Promise<NetworkPort> {
  switch (netdev.kind) {
    case 'user': {
      // Whoever types the command line trusts its guest as far as QEMU's users do.
      const nat = new UserNat({ ...netdev.network, clock: timerClock, random, sockets: nodeSockets, policy: openPolicy })
      opened.closing(() => nat.close())
      for (const forward of netdev.guestForwards) nat.forwardFromGuest(forward)
      for (const forward of netdev.hostForwards) await nat.forwardToGuest(forward)
      return nat.port
    }
    default: throw new CodedError('no-such-netdev', `there is no ${netdev.kind} back-end yet`)
  }
}
