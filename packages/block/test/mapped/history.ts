import type { BlockBackend } from '@entresol/interfaces'

export const SECTOR = 512

/** The same numbers for the same seed: `random(n)` is in 0..n-1. */
export function seeded(seed: number): (below: number) => number {
  let state = (seed * 2654435761) >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** A sector that says which write it is from and where it belongs; write 0 is zeroes. */
export function sectorOf(write: number, sector: number): Uint8Array {
  const bytes = new Uint8Array(SECTOR)
  if (write === 0) return bytes
  const words = new Uint32Array(bytes.buffer)
  for (let at = 0; at < words.length; at += 2) {
    words[at] = write
    words[at + 1] = sector
  }
  return bytes
}

/** Which write a sector read from the disk is from: -1 for none. `words` is the sector. */
function writeOf(words: Uint32Array, sector: number): number {
  const write = words[0]!
  for (let at = 0; at < words.length; at += 2) {
    if (words[at] !== write || words[at + 1] !== (write === 0 ? 0 : sector)) return -1
  }
  return write
}

export interface Step {
  readonly kind: 'write' | 'zero' | 'unmap' | 'discard' | 'flush'
  /** In sectors. */
  readonly first: number
  readonly count: number
}

export interface HistoryOptions {
  readonly seed: number
  readonly steps: number
  /** Sectors of the disk. */
  readonly sectors: number
  /** Largest access, sectors. */
  readonly largest: number
}

export function randomSteps({ seed, steps, sectors, largest }: HistoryOptions): Step[] {
  const random = seeded(seed)
  const kinds = ['write', 'write', 'write', 'write', 'zero', 'unmap', 'discard', 'flush'] as const
  // Most accesses in a few places, so that they meet.
  const spots = Array.from({ length: 4 }, () => random(sectors))
  return Array.from({ length: steps }, () => {
    const kind = kinds[random(kinds.length)]!
    const first = random(3) === 0 ? random(sectors) : Math.min(sectors - 1, Math.max(0, spots[random(4)]! + random(64) - 32))
    return { kind, first, count: 1 + random(Math.min(random(4) === 0 ? largest : 8, sectors - first)) }
  })
}

/** What each sector of a disk may read as: numbers of writes, the first as of the last flush, all of them possible after a crash. */
export class Model {
  readonly possible: (readonly number[])[]
  /** What it reads as while nothing crashes; more than one after a discard. */
  readonly now: (readonly number[])[]

  /** All sectors are of the write called `first`. */
  constructor(sectors: number, first = 0) {
    this.possible = Array.from({ length: sectors }, () => [first])
    this.now = Array.from({ length: sectors }, () => [first])
  }

  copy(): Model {
    const copy = new Model(0)
    copy.possible.push(...this.possible)
    copy.now.push(...this.now)
    return copy
  }

  begin({ kind, first, count }: Step, write: number): void {
    if (kind === 'flush') return
    for (let sector = first; sector < first + count; sector++) this.possible[sector] = [...this.possible[sector]!, kind === 'write' ? write : 0]
  }

  end({ kind, first, count }: Step, write: number): void {
    if (kind === 'flush') this.now.forEach((set, sector) => { this.possible[sector] = set })
    else for (let sector = first; sector < first + count; sector++) {
      const set = kind === 'discard' ? [...this.now[sector]!, 0] : [kind === 'write' ? write : 0]
      this.now[sector] = set
    }
  }
}

export async function perform(backend: BlockBackend, { kind, first, count }: Step, write: number): Promise<void> {
  const offset = first * SECTOR
  const length = count * SECTOR
  if (kind === 'flush') return backend.flush()
  if (kind === 'discard') return backend.discard(offset, length)
  if (kind !== 'write') return backend.writeZeroes(offset, length, kind === 'unmap')
  const bytes = new Uint8Array(length)
  for (let at = 0; at < count; at++) bytes.set(sectorOf(write, first + at), at * SECTOR)
  return backend.write(offset, bytes)
}

/** The stretches of the disk that steps touch, a few sectors around them too: [first, end) in sectors. */
export function touched(steps: readonly Step[], sectors: number): readonly (readonly [number, number])[] {
  const near = steps.map(({ first, count }) => [Math.max(0, first - 4), Math.min(sectors, first + count + 4)] as const).sort((a, b) => a[0] - b[0])
  const merged: [number, number][] = []
  for (const [first, end] of near) {
    const last = merged.at(-1)
    if (last !== undefined && first <= last[1]) last[1] = Math.max(last[1], end)
    else merged.push([first, end])
  }
  return merged
}

/** The first sector that reads as none of what it may, as text. */
export async function disagreement(
  backend: BlockBackend, allowed: readonly (readonly number[])[], where: readonly (readonly [number, number])[] = [[0, allowed.length]],
): Promise<string | undefined> {
  for (const [first, end] of where) {
    const bytes = new Uint8Array((end - first) * SECTOR)
    await backend.read(first * SECTOR, bytes)
    for (let sector = first; sector < end; sector++) {
      const write = writeOf(new Uint32Array(bytes.buffer, (sector - first) * SECTOR, SECTOR / 4), sector)
      if (!allowed[sector]!.includes(write)) return `sector ${sector} is of write ${write}, not of any of ${allowed[sector]!.join(' ')}`
    }
  }
  return undefined
}
