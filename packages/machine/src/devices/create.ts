import type { Clock, VirtioDevice } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { VirtioBlk, VirtioConsole, VirtioRng } from '@entresol/virtio'
import { VirtioNet } from '@entresol/virtio/net'
import type { HostWork } from '../drives/tracked-backend.ts'
import { TrackedBackend } from '../drives/tracked-backend.ts'
import type { DeviceOptions, GuestRam } from './options.ts'

/** What a board gives its devices. */
export interface DeviceServices {
  readonly clock: Clock
  readonly work: HostWork
  readonly cpus: number
  readonly ram: GuestRam
}

/** Queues of a disk when nobody says how many. */
const MAX_DEFAULT_QUEUES = 16

/** The device that `options` describe, under `name`; `mac` for an adapter that was given none. Throws what its constructor throws. */
export function createDevice(options: DeviceOptions, name: string, { clock, work, cpus, ram }: DeviceServices, mac: Uint8Array): VirtioDevice {
  switch (options.type) {
    case 'virtio': return typeof options.device === 'function' ? options.device(name, ram) : options.device
    case 'virtio-blk': {
      const { backend, queues = Math.min(cpus, MAX_DEFAULT_QUEUES) } = options
      return new VirtioBlk({ ...options, name, queues, backend: new TrackedBackend(backend, work) })
    }
    case 'virtio-rng': {
      const { fill = (into: Uint8Array<ArrayBuffer>): void => void crypto.getRandomValues(into), limit } = options
      return new VirtioRng({ name, fill, ...(limit ? { limit: { ...limit, clock } } : {}) })
    }
    case 'virtio-console': return new VirtioConsole({ name, ports: options.ports })
    case 'e1000':
    case 'rtl8139': throw new CodedError('no-such-device', `${name}: ${options.type} needs a PCI bus`)
    case 'virtio-net': return new VirtioNet({ mac, ...options, name })
  }
}

/** Each device with a name of its own. Throws `device-name`. */
export function namedDevices(devices: readonly DeviceOptions[]): { readonly name: string; readonly options: DeviceOptions }[] {
  const names = new Set<string>()
  const counts = new Map<string, number>()
  return devices.map((options) => {
    const count = counts.get(options.type) ?? 0
    counts.set(options.type, count + 1)
    const name = options.type === 'virtio' && typeof options.device === 'object' ? options.device.name : options.id ?? `${options.type}-${count}`
    if (names.has(name)) throw new CodedError('device-name', `two devices are called ${name}`)
    names.add(name)
    return { name, options }
  })
}
