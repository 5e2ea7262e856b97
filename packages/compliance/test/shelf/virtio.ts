import type { AccessSize, Gpa, GuestMemory, IoFault } from '@entresol/interfaces'
import type { PluggedVirtio, VirtioSubject } from '../../src/index.ts'

export const VIRTIO_BUGS = [
  'wrong-magic', 'no-version-1', 'odd-maximum', 'accepts-anything', 'needs-no-version', 'status-survives-reset', 'driver-ok-alone', 'before-driver-ok',
  'misses-early-buffers', 'loses-a-buffer', 'uses-twice', 'wrong-id', 'says-too-much', 'wrong-answer', 'no-interrupt', 'always-interrupts', 'keeps-interrupting',
  'ignores-used-event', 'no-avail-event', 'no-wrap', 'out-of-order', 'trusts-heads', 'trusts-next', 'trusts-addresses', 'reads-behind-writes', 'always-indirect',
  'tables-in-tables', 'trusts-tables', 'fails-silently', 'works-though-failed', 'moves-live-queues', 'any-queue', 'no-queue-reset', 'writes-after-reset',
  'restore-forgets', 'throws',
] as const
export type VirtioBug = typeof VIRTIO_BUGS[number]

/** 4 MiB of RAM and nothing else. */
class Ram implements GuestMemory {
  readonly size = 4 << 20
  readonly bytes = new Uint8Array(this.size)
  readonly view = new DataView(this.bytes.buffer)

  isRam(gpa: Gpa, length: number): boolean {
    return gpa >= 0 && gpa + length <= this.size
  }

  read(gpa: Gpa, into: Uint8Array): void {
    into.set(this.bytes.subarray(gpa, gpa + into.length))
  }

  write(gpa: Gpa, from: Uint8Array): void {
    if (this.isRam(gpa, from.length)) this.bytes.set(from, gpa)
  }

  #at<T>(gpa: number, size: number, action: () => T, other: T): T {
    return this.isRam(gpa as Gpa, size) ? action() : other
  }

  readU8(gpa: Gpa): number { return this.#at(gpa, 1, () => this.view.getUint8(gpa), 0xff) }
  readU16(gpa: Gpa): number { return this.#at(gpa, 2, () => this.view.getUint16(gpa, true), 0xffff) }
  readU32(gpa: Gpa): number { return this.#at(gpa, 4, () => this.view.getUint32(gpa, true), 0xffff_ffff) }
  readU64(gpa: Gpa): bigint { return this.#at(gpa, 8, () => this.view.getBigUint64(gpa, true), 2n ** 64n - 1n) }
  writeU8(gpa: Gpa, value: number): void { this.#at(gpa, 1, () => this.view.setUint8(gpa, value), undefined) }
  writeU16(gpa: Gpa, value: number): void { this.#at(gpa, 2, () => this.view.setUint16(gpa, value, true), undefined) }
  writeU32(gpa: Gpa, value: number): void { this.#at(gpa, 4, () => this.view.setUint32(gpa, value, true), undefined) }
  writeU64(gpa: Gpa, value: bigint): void { this.#at(gpa, 8, () => this.view.setBigUint64(gpa, value, true), undefined) }
}

interface State {
  status: number
  features: bigint
  interrupt: number
  selects: number[]
  ready: boolean
  size: number
  areas: number[]
  high: number[]
  available: number
  used: number
  count: number
}

interface Element { at: number; length: number; writes: boolean }
interface Buffer { id: number; slots: number; elements: Element[] }

const OFFERED = (1n << 28n) | (1n << 29n) | (1n << 32n) | (1n << 34n) | (1n << 35n) | (1n << 40n)
const MAXIMUM = 64
class Bad extends Error {}

/** A device with one queue that answers with what it was given, written without a look at any other implementation; with one bug, or none. */
export class ShelfVirtio implements PluggedVirtio {
  readonly name = 'shelf-virtio'
  readonly length = 0x200
  readonly snapshotVersion = 1
  readonly #bug: VirtioBug | undefined
  readonly #memory: GuestMemory
  #held: Buffer | undefined
  #s: State = this.#fresh()

  constructor(memory: GuestMemory, bug?: VirtioBug) {
    this.#memory = memory
    this.#bug = bug
  }

  #fresh(): State {
    return { status: 0, features: 0n, interrupt: 0, selects: [0, 0, 0], ready: false, size: MAXIMUM, areas: [0, 0, 0], high: [0, 0, 0], available: 0, used: 0, count: 0 }
  }

  #is(bug: VirtioBug): boolean {
    return this.#bug === bug
  }

  get #offered(): bigint {
    return this.#is('no-version-1') ? OFFERED & ~(1n << 32n) : OFFERED
  }

  #has(bit: bigint): boolean {
    return (this.#s.features & (1n << bit)) !== 0n
  }

  read(offset: number, size: AccessSize): number | IoFault {
    if (size !== 4 || (offset & 3) !== 0) return 'bad-size'
    const s = this.#s
    const hasQueue = s.selects[2] === 0
    switch (offset) {
      case 0x00: return this.#is('wrong-magic') ? 0x76697274 : 0x74726976
      case 0x04: return 2
      case 0x08: return 42
      case 0x10: return s.selects[0]! < 2 ? Number((this.#offered >> BigInt(32 * s.selects[0]!)) & 0xffff_ffffn) : 0
      case 0x34: return hasQueue ? (this.#is('odd-maximum') ? 60 : MAXIMUM) : 0
      case 0x44: return hasQueue && s.ready ? 1 : 0
      case 0x60: return s.interrupt
      case 0x70: return s.status
      case 0xc0: case 0xfc: return 0
      default: return 'no-register'
    }
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4) return 'bad-size'
    const s = this.#s
    const mayChange = s.selects[2] === 0 && (!s.ready || this.#is('moves-live-queues'))
    const area = [0x80, 0x90, 0xa0].indexOf(offset & ~4)
    if (offset === 0x14) s.selects[0] = value
    else if (offset === 0x24) s.selects[1] = value
    else if (offset === 0x30) s.selects[2] = value
    else if (offset === 0x20 && (s.status & 8) === 0 && s.selects[1]! < 2) {
      const shift = BigInt(32 * s.selects[1]!)
      s.features = (s.features & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift)
    } else if (offset === 0x38 && mayChange) s.size = value
    else if (area >= 0 && mayChange) ((offset & 4) === 0 ? s.areas : s.high)[area] = value
    else if (offset === 0x44 && value === 1) this.#enable()
    else if (offset === 0x50 && (value & 0xffff) === 0) this.#work()
    else if (offset === 0x64 && !this.#is('keeps-interrupting')) s.interrupt &= ~value
    else if (offset === 0x70) this.#status(value)
    else if (offset === 0xc0 && !this.#is('no-queue-reset')) Object.assign(s, { ready: false, available: 0, used: 0 })
    return undefined
  }

  #status(value: number): void {
    if (value === 0) return this.reset()
    const s = this.#s
    s.status |= value & 0x83
    const isAcceptable = ((s.features & ~this.#offered) === 0n || this.#is('accepts-anything')) && (this.#has(32n) || this.#is('needs-no-version'))
    if ((value & 8) !== 0 && isAcceptable) s.status |= 8
    if ((value & 4) !== 0 && ((s.status & 8) !== 0 || this.#is('driver-ok-alone'))) {
      s.status |= 4
      if (this.#is('misses-early-buffers')) s.available = this.#memory.readU16((s.areas[1]! + 2) as Gpa)
      else this.#work()
    }
  }

  #enable(): void {
    const s = this.#s
    const isPacked = this.#has(34n)
    const bytes = isPacked ? [16 * s.size, 4, 4] : [16 * s.size, 6 + 2 * s.size, 6 + 8 * s.size]
    const isPlaced = s.areas.every((at, i) => s.high[i] === 0 && this.#memory.isRam(at as Gpa, bytes[i]!) && at % [16, 2, 4][i]! === 0)
    const isSized = s.size > 0 && s.size <= MAXIMUM && (isPacked || (s.size & (s.size - 1)) === 0)
    if ((!isPlaced || !isSized) && !this.#is('any-queue')) return this.#fail()
    Object.assign(s, { ready: true, available: 0, used: 0 })
  }

  #fail(): void {
    const s = this.#s
    s.status |= 64
    if ((s.status & 4) !== 0 && !this.#is('fails-silently')) s.interrupt |= 2
  }

  #work(): void {
    const s = this.#s
    if (!s.ready || ((s.status & 64) !== 0 && !this.#is('works-though-failed')) || ((s.status & 4) === 0 && !this.#is('before-driver-ok'))) return
    if (this.#is('writes-after-reset')) return void setImmediate(() => this.#serve({ ...s, areas: [...s.areas] }))
    this.#serve(s)
  }

  #serve(s: State): void {
    try {
      for (let buffer; (buffer = this.#next(s));) {
        s.count++
        if (this.#is('loses-a-buffer') && s.count === 7) continue
        if (this.#is('out-of-order') && s.count % 8 === 3) {
          this.#held = buffer
          continue
        }
        this.#answer(s, buffer)
        if (this.#held) this.#answer(s, this.#held)
        this.#held = undefined
      }
    } catch (error) {
      if (this.#is('throws') || !(error instanceof Bad)) throw error
      this.#fail()
    }
  }

  #next(s: State): Buffer | undefined {
    const m = this.#memory
    if (this.#has(34n)) {
      const isFirstLap = s.available < s.size
      const at = s.areas[0]! + 16 * (s.available % s.size)
      if ((m.readU16((at + 14) as Gpa) & 0x8080) !== (isFirstLap ? 0x80 : 0x8000)) return undefined
      const elements: Element[] = []
      for (let slots = 1; ; slots++) {
        if (slots > s.size) throw new Bad('list')
        const here = s.areas[0]! + 16 * (s.available % s.size)
        const flags = m.readU16((here + 14) as Gpa)
        const id = m.readU16((here + 12) as Gpa)
        s.available = (s.available + 1) % (this.#is('no-wrap') ? s.size : 2 * s.size)
        if ((flags & 4) !== 0) {
          if (slots > 1 || (flags & 1) !== 0) throw new Bad('mixed')
          const table = this.#table(here)
          for (let i = 0; i < table.length; i += 16) this.#add(elements, table.at + i, m.readU16((table.at + i + 14) as Gpa))
          return { id, slots, elements }
        }
        this.#add(elements, here, flags)
        if ((flags & 1) === 0) return { id, slots, elements }
      }
    }
    const count = (m.readU16((s.areas[1]! + 2) as Gpa) - s.available) & 0xffff
    if (count > s.size && !this.#is('trusts-heads')) throw new Bad('index')
    if (count === 0) {
      if (!this.#is('no-avail-event')) m.writeU16((s.areas[2]! + 4 + 8 * s.size) as Gpa, s.available)
      return undefined
    }
    const id = m.readU16((s.areas[1]! + 4 + 2 * (s.available % s.size)) as Gpa)
    if (id >= s.size && !this.#is('trusts-heads')) throw new Bad('head')
    s.available = (s.available + 1) & 0xffff
    const elements: Element[] = []
    this.#walk(elements, s.areas[0]!, id % s.size, s.size, true)
    return { id, slots: 1, elements }
  }

  /** A chain of a table, from an index on. */
  #walk(elements: Element[], base: number, first: number, size: number, mayTable: boolean): void {
    const m = this.#memory
    for (let index = first, count = 0; ; count++) {
      if (index >= size || count >= size) {
        if (this.#is('trusts-next')) return
        throw new Bad('next')
      }
      const at = base + 16 * index
      const flags = m.readU16((at + 12) as Gpa)
      if ((flags & 4) !== 0) {
        if (!mayTable && !this.#is('tables-in-tables')) throw new Bad('nested')
        if ((flags & 1) !== 0) throw new Bad('indirect and next')
        const table = this.#table(at)
        if (mayTable) this.#walk(elements, table.at, 0, table.length / 16, false)
        return
      }
      this.#add(elements, at, flags)
      if ((flags & 1) === 0) return
      index = m.readU16((at + 14) as Gpa)
    }
  }

  #table(descriptor: number): { at: number; length: number } {
    const at = Number(this.#memory.readU64(descriptor as Gpa))
    const length = this.#memory.readU32((descriptor + 8) as Gpa)
    if (!this.#has(28n) && !this.#is('always-indirect')) throw new Bad('indirect')
    const isGood = length > 0 && length % 16 === 0 && length <= 16 * 1024 && this.#memory.isRam(at as Gpa, length)
    if (!isGood && !this.#is('trusts-tables')) throw new Bad('table')
    return isGood ? { at, length } : { at: 0, length: 0x10 }
  }

  #add(elements: Element[], descriptor: number, flags: number): void {
    const at = Number(this.#memory.readU64(descriptor as Gpa))
    const length = this.#memory.readU32((descriptor + 8) as Gpa)
    const writes = (flags & 2) !== 0
    if (!writes && elements.at(-1)?.writes === true && !this.#is('reads-behind-writes')) throw new Bad('order')
    const isRam = this.#memory.isRam(at as Gpa, length)
    if (!isRam && !this.#is('trusts-addresses')) throw new Bad('address')
    if (isRam) elements.push({ at, length, writes })
  }

  #answer(s: State, { id, slots, elements }: Buffer): void {
    const question = elements.filter(({ writes }) => !writes).flatMap(({ at, length }) => {
      const bytes = new Uint8Array(length)
      this.#memory.read(at as Gpa, bytes)
      return [...bytes]
    })
    if (this.#is('wrong-answer')) question.fill(0)
    let written = 0
    for (const { at, length } of elements.filter(({ writes }) => writes)) {
      const part = Uint8Array.from(question.slice(written, written + length))
      this.#memory.write(at as Gpa, part)
      written += part.length
    }
    if (this.#is('says-too-much')) written += 5000
    if (this.#is('wrong-id') && s.count > 4) id ^= 1
    const times = this.#is('uses-twice') && s.count === 5 ? 2 : 1
    for (let i = 0; i < times; i++) this.#use(s, id, slots, written)
    this.#interrupt(s, slots)
  }

  #use(s: State, id: number, slots: number, written: number): void {
    const m = this.#memory
    if (this.#has(34n)) {
      const at = s.areas[0]! + 16 * (s.used % s.size)
      m.writeU32((at + 8) as Gpa, written)
      m.writeU16((at + 12) as Gpa, id)
      m.writeU16((at + 14) as Gpa, (s.used < s.size ? 0x8080 : 0) | (written > 0 ? 2 : 0))
      s.used = (s.used + slots) % (this.#is('no-wrap') ? s.size : 2 * s.size)
    } else {
      const at = s.areas[2]! + 4 + 8 * (s.used % s.size)
      m.writeU32(at as Gpa, id)
      m.writeU32((at + 4) as Gpa, written)
      s.used = (s.used + 1) & 0xffff
      m.writeU16((s.areas[2]! + 2) as Gpa, s.used)
    }
  }

  #interrupt(s: State, slots: number): void {
    const m = this.#memory
    let isWanted: boolean
    if (this.#has(34n)) {
      const flags = m.readU16((s.areas[1]! + 2) as Gpa) & 3
      const event = m.readU16(s.areas[1]! as Gpa)
      const position = (event & 0x7fff) + ((event & 0x8000) !== 0 ? 0 : s.size)
      const behind = (s.used - position + 2 * s.size) % (2 * s.size)
      isWanted = flags === 0 || (flags === 2 && (this.#is('ignores-used-event') || (behind >= 1 && behind <= slots)))
    } else if (this.#has(29n)) {
      isWanted = this.#is('ignores-used-event') || m.readU16((s.areas[1]! + 4 + 2 * s.size) as Gpa) === ((s.used - 1) & 0xffff)
    } else isWanted = (m.readU16(s.areas[1]! as Gpa) & 1) === 0
    if ((isWanted || this.#is('always-interrupts')) && !this.#is('no-interrupt')) s.interrupt |= 1
  }

  reset(): void {
    const { status } = this.#s
    this.#s = this.#fresh()
    this.#held = undefined
    if (this.#is('status-survives-reset')) this.#s.status = status & 3
  }

  save(): State {
    return structuredClone(this.#s)
  }

  restore(state: State): void {
    this.#s = structuredClone(state)
    if (!this.#is('restore-forgets')) this.#work()
  }
}

/** Answers to requests are the requests. */
export function virtioSubject(bug?: VirtioBug): VirtioSubject {
  const memory = new Ram()
  const request = (...bytes: number[]) => ({
    queue: 0,
    elements: [{ readable: Uint8Array.from(bytes) }, { writable: bytes.length }],
    judge: ({ data }: { data: Uint8Array }) => (data.join() === bytes.join() ? undefined : `the answer to ${bytes.join()} is ${data.join()}`),
  })
  return {
    memory, create: () => new ShelfVirtio(memory, bug), settle: () => new Promise((resolve) => setImmediate(resolve)), requests: [request(1, 2, 3), request(9, 8, 7, 6, 5)],
  }
}
