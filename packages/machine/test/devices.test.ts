import type { BlockBackend } from '@entresol/interfaces'
import { VirtioRng } from '@entresol/virtio'
import { describe, expect, it } from 'vitest'
import { Machine } from '../src/machine.ts'
import { bootDevice, bootOrderFile } from '../src/devices/boot-order.ts'
import type { DeviceOptions } from '../src/devices/options.ts'
import { VirtioPciFunction } from '../src/devices/virtio-pci.ts'
import { createRig, tinyBios, tinyKernel } from './support/rig.ts'

const disk: BlockBackend = {
  size: 1 << 20, readOnly: false,
  read: async () => {}, write: async () => {}, writeZeroes: async () => {}, flush: async () => {}, discard: async () => {}, close: async () => {},
  status: async (_offset, length) => ({ length, allocated: true, zero: false }),
}
const blk = (options: Partial<DeviceOptions> = {}): DeviceOptions => ({ type: 'virtio-blk', backend: disk, ...options } as DeviceOptions)
const machine = (board: 'pc' | 'microvm', ...devices: DeviceOptions[]) => () =>
  new Machine({ board, devices, memory: 16 << 20, ...(board === 'pc' ? { bios: tinyBios() } : { kernel: tinyKernel() }) })
const coded = (code: string): Error => expect.objectContaining({ code }) as Error

const ECAM = 0xe0000000
const MMIO = 0xfeb00000

describe('devices plugged into pc', () => {
  const rig = createRig({ board: 'pc', firmware: true, devices: [blk({ address: { slot: 9 } }), { type: 'virtio-rng' }, blk({ address: { slot: 9, function: 1 } })] })
  const config = (slot: number, fn: number, register: number, size: 1 | 2 | 4 = 4): number =>
    rig.platform.mmio.read(ECAM + slot * 0x8000 + fn * 0x1000 + register, size)

  it('are in the slots they named, others in the next free ones', () => {
    expect(config(9, 0, 0)).toBe(0x1042_1af4)
    expect(config(9, 1, 0)).toBe(0x1042_1af4)
    expect(config(3, 0, 0)).toBe(0x1044_1af4)
    expect(config(9, 0, 0x0e, 1) & 0x80).toBe(0x80)
    expect(config(3, 0, 0x0e, 1) & 0x80).toBe(0)
  })

  it('have every capability of a modern device, in a list that ends (virtio 1.2, 4.1.4)', () => {
    const types: number[] = []
    let msix = 0
    for (let at = config(9, 0, 0x34, 1); at !== 0; at = config(9, 0, at + 1, 1)) {
      if (config(9, 0, at, 1) === 0x09) types.push(config(9, 0, at + 3, 1))
      else if (config(9, 0, at, 1) === 0x11) msix++
    }
    expect([types.sort(), msix]).toEqual([[1, 2, 3, 4, 5], 1])
  })

  it('can be reached through configuration space alone (4.1.4.9)', () => {
    let at = config(3, 0, 0x34, 1)
    while (config(3, 0, at, 1) !== 0x09 || config(3, 0, at + 3, 1) !== 5) at = config(3, 0, at + 1, 1)
    const write = (register: number, size: 1 | 2 | 4, value: number): void => rig.platform.mmio.write(ECAM + 3 * 0x8000 + register, size, value)
    const access = (offset: number, size: number): void => {
      write(at + 4, 1, 0)
      write(at + 8, 4, offset)
      write(at + 12, 4, size)
    }
    access(20, 1)
    write(at + 16, 1, 3)
    expect(config(3, 0, at + 16, 1)).toBe(3)
    access(18, 2)
    expect(config(3, 0, at + 16, 2)).toBe(1)
    access(0x100000, 4)
    expect(() => config(3, 0, at + 16)).not.toThrow()
  })

  it.each([
    ['a slot of the board', [blk({ address: { slot: 1 } })], 'pci-slot-taken'],
    ['a slot twice', [blk({ address: { slot: 5 } }), blk({ address: { slot: 5 } })], 'pci-slot-taken'],
    ['a slot that is not there', [blk({ address: { slot: 32 } })], 'pci-slot-range'],
    ['one name twice', [blk({ id: 'a' }), blk({ id: 'a' })], 'device-name'],
    ['more devices than slots', Array.from({ length: 40 }, () => blk()), 'too-many-devices'],
  ])('refuses %s', (_what, devices, code) => {
    expect(machine('pc', ...devices)).toThrow(coded(code))
  })
})

describe('a virtio device in a PCI function', () => {
  const create = (): VirtioPciFunction => new VirtioPciFunction({
    device: new VirtioRng({ name: 'rng', fill: () => {} }), memory: createRig({ board: 'pc' }).platform.ram, messages: { send: () => {} },
  })

  it('saves its transport and its vectors too, and refuses what it cannot use as a whole', () => {
    const original = create()
    original.writeConfig(4, 2, 0x406)
    const state = original.save()
    state.transport.isr = 1
    state.msix.table[3] = 0
    const copy = create()
    copy.restore(structuredClone(state))
    expect(copy.save()).toEqual({ ...state, interrupt: true, config: copy.save().config })
    const before = copy.save()
    expect(() => copy.restore({ ...structuredClone(original.save()), transport: { ...state.transport, core: undefined as never } })).toThrow(coded('bad-snapshot'))
    expect(copy.save()).toEqual(before)
  })
})

describe('the order of boot devices', () => {
  it('is told to firmware by index, as paths of slots and functions', () => {
    const options = [blk({ bootIndex: 5 } as never), blk({ bootIndex: 1 } as never), blk(), { type: 'virtio-rng' as const }]
    const devices = options.map((device, i) => bootDevice(device, 10 + i, i & 1)).filter((device) => device !== undefined)
    expect(new TextDecoder().decode(bootOrderFile(devices))).toBe('/pci@i0cf8/scsi@b,1/disk@0,0\n/pci@i0cf8/scsi@a/disk@0,0\0')
  })
})

describe('devices plugged into microvm', () => {
  it('are in their virtio-mmio slots, the rest of which are empty', () => {
    const { mmio } = createRig({ board: 'microvm', devices: [blk({ address: { slot: 2 } }), { type: 'virtio-rng' }] }).platform
    expect([0, 1, 2, 3].map((slot) => mmio.read(MMIO + slot * 0x200 + 8, 4))).toEqual([4, 0, 2, 0])
  })

  it.each([
    ['a slot twice', [blk({ address: { slot: 3 } }), blk({ address: { slot: 3 } })], 'mmio-slot-taken'],
    ['more devices than slots', Array.from({ length: 17 }, () => blk()), 'too-many-devices'],
  ])('refuses %s', (_what, devices, code) => {
    expect(machine('microvm', ...devices)).toThrow(coded(code))
  })
})
