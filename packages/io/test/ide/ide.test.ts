import { beforeEach, describe, expect, it } from 'vitest'
import { IdeController } from '../../src/ide/ide.ts'
import { ArrayMemory, RamBlock, read, RecordingLine, settle, write } from '../support/device-fakes.ts'

let disk: RamBlock
let cd: RamBlock
let memory: ArrayMemory
let irq: [RecordingLine, RecordingLine]
let ide: IdeController
const make = (): IdeController => new IdeController({ drives: [{ kind: 'disk', backend: disk }, undefined, { kind: 'cdrom', backend: cd }], lines: irq, memory })
beforeEach(() => {
  disk = new RamBlock(4096 * 512)
  cd = new RamBlock(100 * 2048, true)
  disk.data.forEach((_, i) => { disk.data[i] = (i >> 9) ^ i })
  cd.data.forEach((_, i) => { cd.data[i] = (i >> 11) + i })
  memory = new ArrayMemory()
  irq = [new RecordingLine(), new RecordingLine()]
  ide = make()
})
const reg = (c: number, offset: number): number => read(ide.channels[c].commandBlock, offset)
const set = (c: number, offset: number, value: number): void => write(ide.channels[c].commandBlock, offset, value)
const alt = (c: number): number => read(ide.channels[c].controlBlock, 0)
function command(c: number, cmd: number, lba = 0, count = 1): void {
  set(c, 6, 0xe0 | (lba >>> 24)); set(c, 2, count); set(c, 3, lba & 255); set(c, 4, (lba >> 8) & 255); set(c, 5, (lba >> 16) & 255)
  set(c, 7, cmd)
}
function words(c: number, n: number): number[] {
  return Array.from({ length: n }, () => read(ide.channels[c].commandBlock, 0, 2)).flatMap((w) => [w & 255, w >> 8])
}
async function pioRead(c: number, bytes: number): Promise<number[]> {
  const out: number[] = []
  while (out.length < bytes) {
    await settle()
    expect(alt(c) & 0x89).toBe(0x08)
    reg(c, 7)
    out.push(...words(c, 256))
  }
  return out
}
async function packet(bytes: number[], limit = 0xfffe, dma = false): Promise<number[]> {
  set(1, 6, 0xa0); set(1, 1, dma ? 1 : 0); set(1, 4, limit & 255); set(1, 5, limit >> 8); set(1, 7, 0xa0)
  expect(reg(1, 2) & 3).toBe(1)
  for (let i = 0; i < 12; i += 2) write(ide.channels[1].commandBlock, 0, (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8), 2)
  const out: number[] = []
  for (;;) {
    await settle()
    if (!(alt(1) & 8) || dma) break
    expect(reg(1, 2) & 3).toBe(2)
    const n = reg(1, 4) | (reg(1, 5) << 8)
    expect(n).toBeLessThanOrEqual(limit)
    out.push(...words(1, (n + 1) >> 1).slice(0, n))
  }
  return out
}
function prd(entries: [number, number][], at = 0x800, toMemory = true): void {
  const view = new DataView(memory.u8.buffer)
  entries.forEach(([base, size], i) => {
    view.setUint32(at + 8 * i, base, true)
    view.setUint32(at + 8 * i + 4, (size & 0xffff) | (i === entries.length - 1 ? 0x8000_0000 : 0), true)
  })
  write(ide.busMaster, 4, at, 4); write(ide.busMaster, 2, 0x66); write(ide.busMaster, 0, toMemory ? 8 : 0)
}

describe('detection', () => {
  it('shows signatures after software reset, silence for the absent slave, nothing on an empty channel', () => {
    write(ide.channels[0].controlBlock, 0, 4); expect(alt(0) & 0x80).toBe(0x80); write(ide.channels[0].controlBlock, 0, 0)
    expect([reg(0, 1), reg(0, 2), reg(0, 3), reg(0, 4), reg(0, 5), reg(0, 7)]).toEqual([1, 1, 1, 0, 0, 0x50])
    set(0, 6, 0xb0)
    expect([reg(0, 6), reg(0, 7)]).toEqual([0xb0, 0])
    set(1, 7, 0x08)
    expect([reg(1, 4), reg(1, 5), reg(1, 7)]).toEqual([0x14, 0xeb, 0])
    const empty = new IdeController({ drives: [], lines: irq, memory })
    expect(read(empty.channels[0].commandBlock, 7)).toBe(0x7f)
  })
  it('identifies the disk with its size and a zero byte sum', async () => {
    command(0, 0xec)
    const id = await pioRead(0, 512)
    expect(id[120] | (id[121] << 8)).toBe(4096)
    expect(id.reduce((a, b) => a + b) & 255).toBe(0)
    expect(String.fromCharCode(...id.slice(54, 62))).toBe('NERTSELO')
    expect(reg(0, 7)).toBe(0x50)
  })
  it('refuses IDENTIFY DEVICE on the CD-ROM and shows what it is instead', async () => {
    command(1, 0xec)
    expect(alt(1) & 1).toBe(1)
    expect([reg(1, 4), reg(1, 5)]).toEqual([0x14, 0xeb])
    set(1, 7, 0xa1)
    const id = await pioRead(1, 512)
    expect(id[0] | (id[1] << 8)).toBe(0x85c0)
  })
  it('passes diagnostics and aborts what it does not know', () => {
    set(0, 7, 0x90)
    expect(reg(0, 1)).toBe(1)
    command(0, 0xff)
    expect([reg(0, 7) & 1, reg(0, 1)]).toEqual([1, 4])
  })
})

describe('disk by PIO', () => {
  it('reads with LBA28, one interrupt a sector, and 32-bit accesses', async () => {
    command(0, 0x20, 5, 3)
    expect(alt(0)).toBe(0xc0)
    expect(await pioRead(0, 1536)).toEqual([...disk.data.subarray(2560, 4096)])
    expect(irq[0].edges).toBe(3)
    command(0, 0x20, 6, 1); await settle()
    expect(read(ide.channels[0].commandBlock, 0, 4)).toBe(new DataView(disk.data.buffer).getUint32(3072, true))
  })
  it('reads with CHS and with LBA48', async () => {
    set(0, 6, 0xa1); set(0, 2, 1); set(0, 3, 2); set(0, 4, 1); set(0, 5, 0); set(0, 7, 0x20)
    expect(await pioRead(0, 512)).toEqual([...disk.data.subarray((1008 + 63 + 1) * 512, (1008 + 63 + 2) * 512)])
    for (const [o, v] of [[2, 0], [2, 1], [3, 0], [3, 0x10], [4, 0], [4, 0x0f], [5, 0], [5, 0]]) set(0, o, v)
    write(ide.channels[0].controlBlock, 0, 0x80); expect(reg(0, 3)).toBe(0)
    set(0, 6, 0x40); expect(reg(0, 3)).toBe(0x10)
    set(0, 7, 0x24)
    expect(await pioRead(0, 512)).toEqual([...disk.data.subarray(0xf10 * 512, 0xf11 * 512)])
  })
  it('reads and writes multiple sectors per DRQ block after SET MULTIPLE MODE only', async () => {
    command(0, 0xc4, 0, 4); expect(reg(0, 7) & 1).toBe(1)
    command(0, 0xc6, 0, 4); expect(reg(0, 7)).toBe(0x50)
    const before = irq[0].edges
    command(0, 0xc4, 0, 6); await settle()
    reg(0, 7)
    expect(words(0, 1024)).toEqual([...disk.data.subarray(0, 2048)])
    reg(0, 7)
    expect(words(0, 512)).toEqual([...disk.data.subarray(2048, 3072)])
    expect(irq[0].edges - before).toBe(2)
  })
  it('writes sectors, first block without interrupt, and flushes', async () => {
    command(0, 0x30, 7, 2)
    expect([alt(0) & 0x88, irq[0].edges]).toEqual([8, 0])
    for (let s = 0; s < 2; s++) {
      for (let i = 0; i < 256; i++) write(ide.channels[0].commandBlock, 0, 0xa500 | s, 2)
      await settle()
      expect(irq[0].level).toBe(true)
      expect(reg(0, 7)).toBe(s === 0 ? 0x58 : 0x50)
    }
    expect([...disk.data.subarray(7 * 512, 7 * 512 + 2), ...disk.data.subarray(8 * 512, 8 * 512 + 2)]).toEqual([0, 0xa5, 1, 0xa5])
    command(0, 0xe7); await settle()
    expect(disk.flushes).toBe(1)
  })
  it('reports IDNF beyond the end, UNC when the back-end fails, ABRT for a write to a read-only one', async () => {
    command(0, 0x20, 4095, 2); expect([reg(0, 7) & 1, reg(0, 1)]).toEqual([1, 0x10])
    disk.fail = true
    command(0, 0x20, 0, 1); await settle(); expect([reg(0, 7) & 1, reg(0, 1)]).toEqual([1, 0x40])
    disk = new RamBlock(512 * 16, true); ide = make()
    command(0, 0x30, 0, 1); expect([reg(0, 7) & 1, reg(0, 1)]).toEqual([1, 4])
  })
  it('keeps the wire low under nIEN and ignores completions from before a reset', async () => {
    write(ide.channels[0].controlBlock, 0, 2)
    command(0, 0x20); await settle()
    expect(irq[0].level).toBe(false)
    write(ide.channels[0].controlBlock, 0, 0)
    expect(irq[0].level).toBe(true)
    command(0, 0x20)
    write(ide.channels[0].controlBlock, 0, 4); write(ide.channels[0].controlBlock, 0, 0)
    await settle()
    expect([alt(0), irq[0].level]).toEqual([0x50, false])
  })
})

describe('bus master', () => {
  it('scatters a DMA read over descriptors and then stops with an interrupt', async () => {
    prd([[0x1000, 512], [0x3000, 1024]])
    command(0, 0xc8, 10, 3); await settle()
    expect(alt(0) & 0x80).toBe(0)
    write(ide.busMaster, 0, 9); await settle()
    expect(read(ide.busMaster, 2)).toBe(0x64)
    expect(irq[0].level).toBe(true)
    expect(reg(0, 7)).toBe(0x50)
    expect(memory.u8.subarray(0x1000, 0x1200)).toEqual(disk.data.subarray(5120, 5632))
    expect(memory.u8.subarray(0x3000, 0x3400)).toEqual(disk.data.subarray(5632, 6656))
  })
  it('gathers a DMA write longer than one chunk, also with LBA48', async () => {
    memory.u8.forEach((_, i) => { memory.u8[i] = i * 7 })
    prd([[0x10000, 0], [0x20000, 0], [0x30000, 0]], 0x800, false)
    for (const [o, v] of [[2, 1], [2, 0x80], [3, 0], [3, 0], [4, 0], [4, 0], [5, 0], [5, 0], [6, 0x40], [7, 0x35]]) set(0, o, v)
    write(ide.busMaster, 0, 1); await settle(); await settle()
    expect(read(ide.busMaster, 2)).toBe(0x64)
    expect(disk.data.subarray(0, 0x30000)).toEqual(memory.u8.subarray(0x10000, 0x40000))
  })
  it('stays active when the table is longer than the transfer, stops without interrupt when it is shorter', async () => {
    prd([[0x1000, 4096]])
    command(0, 0xc8, 0, 1); write(ide.busMaster, 0, 9); await settle()
    expect(read(ide.busMaster, 2)).toBe(0x65)
    write(ide.busMaster, 0, 0)
    prd([[0x1000, 512]])
    command(0, 0xc8, 0, 2); write(ide.busMaster, 0, 9); await settle()
    expect(read(ide.busMaster, 2)).toBe(0x60)
  })
  it('sets the error bit for a table outside memory or a wrong direction', async () => {
    prd([[0x1000, 512]]); write(ide.busMaster, 4, 0xfff0_0000, 4)
    command(0, 0xc8); write(ide.busMaster, 0, 9); await settle()
    expect(read(ide.busMaster, 2) & 3).toBe(2)
    write(ide.busMaster, 0, 0); prd([[0x1000, 512]], 0x800, false)
    command(0, 0xc8); write(ide.busMaster, 0, 1); await settle()
    expect(read(ide.busMaster, 2) & 3).toBe(2)
  })
  it('discards the ranges of a TRIM', async () => {
    new DataView(memory.u8.buffer).setBigUint64(0x1000, (16n << 48n) | 100n, true)
    prd([[0x1000, 512]], 0x800, false)
    set(0, 1, 1); set(0, 2, 0); command(0, 0x06, 0, 1); write(ide.busMaster, 0, 1); await settle()
    expect(disk.discards).toEqual([[100 * 512, 16 * 512]])
  })
})

describe('CD-ROM', () => {
  const sense = async (): Promise<number[]> => { const s = await packet([3, 0, 0, 0, 18]); return [s[2], s[12], s[13]] }
  it('holds a unit attention after power-on, tells it by REQUEST SENSE, then is ready', async () => {
    await packet([0])
    expect([alt(1) & 1, reg(1, 1)]).toEqual([1, 0x64])
    expect(await sense()).toEqual([6, 0x29, 0])
    await packet([0])
    expect([alt(1), reg(1, 2)]).toEqual([0x50, 3])
    expect(await sense()).toEqual([0, 0, 0])
  })
  it('answers INQUIRY, READ CAPACITY, READ TOC, GET CONFIGURATION, MODE SENSE within the allocation length', async () => {
    await packet([0])
    expect((await packet([0x12, 0, 0, 0, 36])).slice(0, 5)).toEqual([5, 0x80, 0, 0x21, 31])
    expect(await packet([0x12, 0, 0, 0, 5])).toHaveLength(5)
    expect(await packet([0x25])).toEqual([0, 0, 0, 99, 0, 0, 8, 0])
    expect(await packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20])).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xaa, 0, 0, 0, 0, 100])
    expect((await packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 12])).slice(8)).toEqual([0, 0, 3, 25])
    const config = await packet([0x46, 0, 0, 0, 0, 0, 0, 0, 255])
    expect([config[3] + 4, config[7]]).toEqual([config.length, 8])
    const mode = await packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128])
    expect([mode[1] + 2, mode[8], mode[9]]).toEqual([mode.length, 0x2a, 18])
  })
  it('reads by PIO within the byte count limit', async () => {
    await packet([0])
    expect(await packet([0x28, 0, 0, 0, 0, 2, 0, 0, 3], 2048)).toEqual([...cd.data.subarray(4096, 10240)])
    expect(await packet([0xa8, 0, 0, 0, 0, 99, 0, 0, 0, 1], 0x300)).toEqual([...cd.data.subarray(99 * 2048)])
    expect(reg(1, 2) & 3).toBe(3)
  })
  it('reads by DMA', async () => {
    await packet([0])
    new DataView(memory.u8.buffer).setUint32(0x900, 0x4000, true)
    new DataView(memory.u8.buffer).setUint32(0x904, 0x8000_1000, true)
    write(ide.busMaster, 12, 0x900, 4); write(ide.busMaster, 8, 9)
    await packet([0x28, 0, 0, 0, 0, 1, 0, 0, 2], 0xfffe, true)
    expect(memory.u8.subarray(0x4000, 0x5000)).toEqual(cd.data.subarray(2048, 6144))
    expect(read(ide.busMaster, 10)).toBe(0x64)
    expect(irq[1].level).toBe(true)
  })
  it('refuses addresses beyond the disc and unknown commands with sense', async () => {
    await packet([0])
    await packet([0x28, 0, 0, 0, 0, 99, 0, 0, 2]); expect(await sense()).toEqual([5, 0x21, 0])
    await packet([0xf7]); expect(await sense()).toEqual([5, 0x20, 0])
    cd.fail = true
    await packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1]); expect(await sense()).toEqual([3, 0x11, 0])
  })
  it('tells a change of disc by media event and unit attention, and locks its tray', async () => {
    await packet([0])
    ide.setMedium(2, undefined)
    await packet([0]); expect(await sense()).toEqual([2, 0x3a, 0])
    ide.setMedium(2, cd)
    expect(await packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8])).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0])
    await packet([0]); expect(await sense()).toEqual([6, 0x28, 0])
    await packet([0x1e, 0, 0, 0, 1]); await packet([0x1b, 0, 0, 0, 2]); expect(await sense()).toEqual([5, 0x53, 2])
    await packet([0x1e]); await packet([0x1b, 0, 0, 0, 2]); await packet([0]); expect(await sense()).toEqual([2, 0x3a, 2])
    expect(() => ide.setMedium(0, cd)).toThrow(expect.objectContaining({ code: 'not-removable' }))
  })
})

describe('snapshot', () => {
  it('finishes a read in another controller that was under way when saved', async () => {
    command(0, 0x20, 5, 2)
    const saved = structuredClone(ide.save())
    ide = make()
    ide.restore(saved)
    expect(ide.save()).toEqual(saved)
    expect(await pioRead(0, 1024)).toEqual([...disk.data.subarray(2560, 3584)])
    expect(() => ide.restore({ channels: [saved.channels[1], saved.channels[0]] })).toThrow(expect.objectContaining({ code: 'bad-snapshot' }))
  })
})
