import type { NetworkPort } from '@entresol/interfaces'
import { expect, it } from 'vitest'
import type { DeviceOptions } from '../src/devices/options.ts'
import { createRig } from './support/rig.ts'

const port: NetworkPort = {
  offloads: { checksum: false, tso4: false, tso6: false, uso: false }, linkUp: true,
  send: () => {}, onReceive: () => {}, resume: () => {}, onLinkChange: () => {}
}
const ECAM = 0xe0000000

it('adapters without addresses count up from 52:54:00:12:34:56, whatever their kinds', () => {
  const devices: DeviceOptions[] = [
    { type: 'e1000', port }, { type: 'virtio-rng' }, { type: 'rtl8139', port, address: { slot: 9, function: 1 } }, { type: 'rtl8139', port, address: { slot: 9 } }
  ]
  const { mmio, ports } = createRig({ board: 'pc', firmware: true, devices }).platform
  const config = (slot: number, fn: number, register: number, size: 1 | 2 | 4): number => mmio.read(ECAM + slot * 0x8000 + fn * 0x1000 + register, size)
  expect([config(3, 0, 0, 4), config(9, 0, 0, 4), config(9, 1, 0, 4)]).toEqual([0x100e8086, 0x813910ec, 0x813910ec])
  expect([config(3, 0, 0x0e, 1), config(9, 0, 0x0e, 1)]).toEqual([0, 0x80])
  const enable = (slot: number, fn: number, bar: number, base: number): void => {
    mmio.write(ECAM + slot * 0x8000 + fn * 0x1000 + bar, 4, base)
    mmio.write(ECAM + slot * 0x8000 + fn * 0x1000 + 4, 2, 1)
  }
  enable(3, 0, 0x18, 0xc000)
  ports.write(0xc000, 4, 0x5404)
  expect(ports.read(0xc004, 4)).toBe(0x80005634)
  for (const [fn, last] of [[0, 0x58], [1, 0x57]] as const) {
    enable(9, fn, 0x10, 0xd000 + 0x100 * fn)
    expect(ports.read(0xd005 + 0x100 * fn, 1)).toBe(last)
  }
})

it('microvm has no PCI bus for them', () => {
  expect(() => createRig({ board: 'microvm', devices: [{ type: 'e1000', port }] })).toThrow(expect.objectContaining({ code: 'no-such-device' }))
})
