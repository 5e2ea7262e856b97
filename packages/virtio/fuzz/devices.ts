import type { CharacterPort, FrameListener, GuestMemory, NetworkPort, VirtioDevice } from '@entresol/interfaces'
import type { GuestPhysicalMemory } from '@entresol/mmu'
import { MemoryFileTree, VirtioNineP } from '../src/9p/index.ts'
import { VirtioBalloon } from '../src/balloon/index.ts'
import { VirtioBlk } from '../src/blk/virtio-blk.ts'
import { VirtioConsole } from '../src/console/virtio-console.ts'
import { VirtioGpu } from '../src/gpu/index.ts'
import { VirtioTablet } from '../src/input/index.ts'
import { VirtioNet } from '../src/net/index.ts'
import { VirtioRng } from '../src/rng/virtio-rng.ts'
import { VirtioVsock } from '../src/vsock/index.ts'
import type { VsockConnection } from '../src/vsock/index.ts'
import { TestDisk } from '../test/support/plug.ts'
import type { Choice } from './choice.ts'

/** A device to fuzz, and what its host's side may do at any time. */
export interface FuzzSubject {
  readonly device: VirtioDevice
  stir?(choice: Choice): void
}

class NoisyPort implements CharacterPort {
  #listener: (bytes: Uint8Array) => number = () => 0

  write(): void {}

  onData(listener: (bytes: Uint8Array) => number): void {
    this.#listener = listener
  }

  resume(): void {}

  offer(bytes: Uint8Array): void {
    this.#listener(bytes)
  }
}

class NoisyLink implements NetworkPort {
  readonly offloads = { checksum: true, tso4: true, tso6: true, uso: true }
  readonly linkUp = true
  #listener: FrameListener = () => true

  send(): void {}

  onReceive(listener: FrameListener): void {
    this.#listener = listener
  }

  resume(): void {}

  onLinkChange(): void {}

  offer(frame: Uint8Array): void {
    this.#listener(frame)
  }
}

/** Every device there is, by the name of its option. */
export const FUZZED: Readonly<Record<string, (memory: GuestPhysicalMemory & GuestMemory, choice: Choice) => FuzzSubject>> = {
  blk: (_memory, choice) => {
    const backend = new TestDisk(1 << 20, choice.once(4))
    return {
      device: new VirtioBlk({ backend, queues: 2, serial: 'fuzz', queueSize: 64 }),
      stir: (c) => {
        backend.failing = c.once(4)
        backend.held = c.once(2)
        if (!backend.held || c.once(2)) backend.release()
      },
    }
  },
  rng: () => ({ device: new VirtioRng({ fill: (into) => into.fill(1) }) }),
  console: () => {
    const ports = [new NoisyPort(), new NoisyPort()]
    const device = new VirtioConsole({ ports: [{ port: ports[0]! }, { port: ports[1]!, name: 'fuzz' }] })
    return {
      device,
      stir: (c) => {
        c.of(ports).offer(c.bytes(c.below(5000)))
        if (c.once(8)) device.resize(c.below(300), c.below(300))
      },
    }
  },
  net: (_memory, choice) => {
    const port = new NoisyLink()
    const device = new VirtioNet({ port, mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1), queuePairs: 1 + choice.below(2), queueSize: 64 })
    return { device, stir: (c) => port.offer(c.bytes(14 + c.below(3000))) }
  },
  balloon: (memory) => {
    const device = new VirtioBalloon({ pages: memory })
    return {
      device,
      stir: (c) => {
        device.target = c.below(4 << 20)
        void (c.once(2) ? device.readStatistics() : device.hintFreePages(() => {})).catch(() => {})
      },
    }
  },
  '9p': () => ({ device: new VirtioNineP({ tree: new MemoryFileTree({ capacity: 1 << 20, maxFiles: 200 }), tag: 'fuzz' }) }),
  vsock: () => {
    const device = new VirtioVsock({ guestCid: 3, bufferBytes: 8192, maxConnections: 16 })
    const echo = (connection: VsockConnection): void => void connection.readable.pipeTo(connection.writable).catch(() => {})
    device.listen(1000, echo)
    return { device, stir: (c) => void device.connect(c.below(4)).then(echo, () => {}) }
  },
  input: () => {
    const device = new VirtioTablet()
    return { device, stir: (c) => device.moveTo(c.below(40_000), c.below(40_000), { buttons: { left: c.once(2) }, wheel: c.below(3) - 1 }) }
  },
  gpu: (memory) => {
    const device = new VirtioGpu({ memory, maxBytes: 1 << 20 })
    return {
      device,
      stir: (c) => {
        if (device.width * device.height < 65_536) device.render(new Uint8ClampedArray(device.width * device.height * 4))
        device.resize(1 + c.below(2000), 1 + c.below(2000))
      },
    }
  },
}
