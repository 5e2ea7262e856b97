import { beforeEach, describe, expect, it } from 'vitest'
import { FwCfg } from '../../src/fw-cfg/fw-cfg.ts'
import { ArrayMemory, read, write } from '../support/device-fakes.ts'

let memory: ArrayMemory
let fw: FwCfg
beforeEach(() => {
  memory = new ArrayMemory(1 << 20)
  fw = new FwCfg({ memory, cpus: 2, ramSize: 0x1_2345_6000 })
})
const bytes = (key: number, n: number): number[] => {
  write(fw.ports, 0, key, 2)
  return Array.from({ length: n }, () => read(fw.ports, 1))
}
const ascii = (s: string): number[] => [...s].map((c) => c.charCodeAt(0))
function dma(control: number, length: number, target: number, at = 0x1000): number {
  const v = new DataView(memory.u8.buffer)
  v.setUint32(at, control); v.setUint32(at + 4, length); v.setUint32(at + 8, 0); v.setUint32(at + 12, target)
  write(fw.ports, 4, 0, 4)
  const low = new DataView(new ArrayBuffer(4))
  low.setUint32(0, at)
  write(fw.ports, 8, low.getUint32(0, true), 4)
  return v.getUint32(at)
}

describe('fw_cfg', () => {
  it('signs with QEMU, announces DMA, tells RAM size and CPU count', () => {
    expect(bytes(0, 5)).toEqual([...ascii('QEMU'), 0])
    expect(bytes(1, 4)).toEqual([3, 0, 0, 0])
    expect(bytes(3, 8)).toEqual([0x00, 0x60, 0x45, 0x23, 1, 0, 0, 0])
    expect(bytes(5, 2)).toEqual([2, 0])
    expect([read(fw.ports, 4, 4), read(fw.ports, 8, 4)]).toEqual([0x554d4551, 0x47464320])
  })
  it('lists files sorted by name and reads them by the directory\'s key', () => {
    fw.setFile('opt/b', Uint8Array.of(1, 2, 3))
    fw.setFile('etc/a', Uint8Array.of(9))
    const dir = bytes(0x19, 4 + 128)
    expect(dir.slice(0, 4)).toEqual([0, 0, 0, 2])
    expect(dir.slice(4, 12)).toEqual([0, 0, 0, 1, 0, 0x20, 0, 0])
    expect(dir.slice(12, 18)).toEqual([...ascii('etc/a'), 0])
    expect(dir.slice(68, 74)).toEqual([0, 0, 0, 3, 0, 0x21])
    expect(bytes(0x21, 4)).toEqual([1, 2, 3, 0])
  })
  it('reads by DMA with selection, skip and zero fill', () => {
    fw.setFile('x', Uint8Array.from({ length: 10 }, (_, i) => i + 1))
    memory.u8.fill(0xee, 0x2000, 0x2020)
    expect(dma((0x20 << 16) | 0x8 | 0x4, 4, 0)).toBe(0)
    expect(dma(0x2, 8, 0x2000)).toBe(0)
    expect([...memory.u8.subarray(0x2000, 0x2009)]).toEqual([5, 6, 7, 8, 9, 10, 0, 0, 0xee])
  })
  it('reports an error for a read longer than RAM, a write to what is read-only, and takes one to what is writable', () => {
    const seen: number[][] = []
    fw.setFile('ro', Uint8Array.of(1))
    fw.setFile('rw', new Uint8Array(4), { writable: true, onWrite: (d) => seen.push([...d]) })
    expect(dma((0x20 << 16) | 0xa, 0x100001, 0x2000)).toBe(1)
    expect(dma((0x20 << 16) | 0x18, 1, 0x2000)).toBe(1)
    memory.u8.set([7, 8], 0x2000)
    expect(dma((0x21 << 16) | 0x18, 2, 0x2000)).toBe(0)
    expect(dma(0x10, 3, 0x2000)).toBe(1)
    expect(seen).toEqual([[7, 8, 0, 0]])
    const saved = fw.save()
    dma((0x21 << 16) | 0x18, 2, 0x3000)
    fw.restore(saved)
    expect(fw.file('rw')).toEqual(Uint8Array.of(7, 8, 0, 0))
  })
  it('has the MMIO layout with a big-endian selector', () => {
    write(fw.mmio, 8, 0x0000, 2)
    expect(read(fw.mmio, 0, 4)).toBe(0x554d4551)
    write(fw.mmio, 8, 0x0300, 2)
    expect(read(fw.mmio, 0, 2)).toBe(0x6000)
  })
  it('writes e820 entries of twenty bytes', () => {
    fw.setE820([{ address: 0x1_0000_0000, length: 0x1000, type: 1 }])
    expect([...fw.file('etc/e820') ?? []]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    expect(() => fw.setFile('bad name', new Uint8Array(0))).toThrow(expect.objectContaining({ code: 'bad-fw-cfg-name' }))
  })
})
