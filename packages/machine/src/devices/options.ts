import type { BlockBackend, CharacterPort, Gpa, GuestMemory, NetworkPort } from '@entresol/interfaces'
import type { VirtioDevice } from '@entresol/virtio'

/** Where a device is plugged in and what it is called. */
export interface PlugOptions {
  /** Kebab-case name, unique on the machine; default: the type and a number. */
  readonly id?: string
  /** PCI slot and function on the `pc` board, number of the virtio-mmio slot on `microvm`; default: the next free one. */
  readonly address?: { readonly slot: number; readonly function?: number }
  /** Which of virtio's RING_FEATURES are offered, for virtio devices; default all. */
  readonly ringFeatures?: bigint
}

export interface VirtioBlkOptions extends PlugOptions {
  readonly type: 'virtio-blk'
  readonly backend: BlockBackend
  /** At most 20 ASCII characters, what GET_ID answers. */
  readonly serial?: string
  readonly readOnly?: boolean
  /** Request queues, default one for each CPU, at most 16. */
  readonly queues?: number
  /** Entries of each queue, a power of two, default 256. */
  readonly queueSize?: number
  /** Bytes, powers of two from 512; default 512 both. */
  readonly logicalBlockSize?: number
  readonly physicalBlockSize?: number
  /** Whether discard requests reach the backend, default true. */
  readonly discard?: boolean
  /** Write-back cache at power-on (a driver may turn it off), default true. */
  readonly writeBack?: boolean
  /** Firmware tries lower numbers first; devices without one come last. */
  readonly bootIndex?: number
}

export interface VirtioNetOptions extends PlugOptions {
  readonly type: 'virtio-net'
  readonly port: NetworkPort
  /** Six bytes; default 52:54:00:12:34:56 and counting. */
  readonly mac?: Uint8Array
  /** Pairs of queues, default 1. */
  readonly queuePairs?: number
  readonly bootIndex?: number
}

/** Network adapters for guests without virtio: on the `pc` board only. */
export interface PciNicOptions extends PlugOptions {
  /** Intel 82540EM, or Realtek RTL8139C+. */
  readonly type: 'e1000' | 'rtl8139'
  readonly port: NetworkPort
  /** Six bytes; default 52:54:00:12:34:56 and counting. */
  readonly mac?: Uint8Array
}

export interface VirtioRngOptions extends PlugOptions {
  readonly type: 'virtio-rng'
  /** Fills an array with random bytes; default the host's cryptographic generator. */
  readonly fill?: (into: Uint8Array<ArrayBuffer>) => void
  /** At most so many bytes in each period of so many milliseconds. */
  readonly limit?: { readonly bytes: number; readonly period: number }
}

export interface VirtioConsolePortOptions {
  readonly port: CharacterPort
  /** A console (hvc) instead of a plain port; the first port always is one. */
  readonly console?: boolean
  /** Shown by the guest as /dev/virtio-ports/NAME. */
  readonly name?: string
}

export interface VirtioConsoleOptions extends PlugOptions {
  readonly type: 'virtio-console'
  readonly ports: readonly VirtioConsolePortOptions[]
}

/** A guest's RAM, for devices that read or give back memory that no buffer is about (balloon, display). */
export interface GuestRam extends GuestMemory {
  discard(gpa: Gpa, bytes: number): void
}

/** Any other implementation of the contract. */
export interface VirtioDeviceOptions extends PlugOptions {
  readonly type: 'virtio'
  /** Or what makes it, with its name and the guest's memory. */
  readonly device: VirtioDevice | ((name: string, ram: GuestRam) => VirtioDevice)
}

/** A device plugged into a machine: virtio over PCI on `pc`, over MMIO on `microvm`. */
export type DeviceOptions = VirtioBlkOptions | VirtioNetOptions | VirtioRngOptions | VirtioConsoleOptions | VirtioDeviceOptions | PciNicOptions
