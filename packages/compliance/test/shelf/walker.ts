import type { Gfn, Gpa, PageWalker, PagingControl } from '@entresol/interfaces'
import type { SimpleGuest } from './memories.ts'

/** Bugs a walker can be given, as seen in real emulators. */
export const WALKER_BUGS = [
  'off-signed', 'pse-always', 'pse36-missing', 'pse36-unreserved', 'pae-live-pdptes', 'pae-accepts-reserved', 'pae-bit52', 'no-1g', 'pte-pat-as-size',
  'large-keeps-pat', 'cuts-to-32-bits', 'id-always', 'no-w-bit', 'us-leaf-only', 'rw-leaf-only', 'wp-ignored', 'wp-always', 'smap-ignored',
  'smap-for-fetch', 'smap-ignores-ac', 'smep-ignored', 'smep-for-data', 'nx-leaf-only', 'nx-without-nxe', 'no-reserved', 'reserved-not-present',
  'large-unreserved', 'ignored-are-reserved', 'no-accessed', 'no-dirty', 'dirty-on-fault', 'probe-modifies', 'clean-writable', 'global-without-pge',
  'global-any-level', 'no-la57', 'tables-outside-throw', 'mmio-frame', 'write-right-always',
] as const
export type WalkerBug = (typeof WALKER_BUGS)[number]

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n
const below = (n: number): bigint => (1n << BigInt(n)) - 1n

/** A slow walker in BigInt that passes the suite, or has one bug. */
export class ShelfWalker implements PageWalker {
  physicalLow = 0
  physicalHigh = 0
  rights = 0
  global = 0
  pageShift = 12
  frame = -1
  private c: PagingControl = { cr0: 0, cr3Low: 0, cr3High: 0, cr4: 0, efer: 0, physicalAddressBits: 40 }
  private pdptes: bigint[] = []
  private readonly guest: SimpleGuest
  private readonly bug: WalkerBug | undefined

  constructor(guest: SimpleGuest, bug?: WalkerBug) {
    this.guest = guest
    this.bug = bug
  }

  private get mode(): number {
    const { cr0, cr4, efer } = this.c
    if (cr0 >= 0) return 0
    if (!(cr4 & 0x20)) return 2
    if (!(efer & 0x100)) return 3
    return cr4 & 0x1000 && this.bug !== 'no-la57' ? 5 : 4
  }

  private pdpte(index: number): bigint {
    return this.guest.readU64((((this.c.cr3Low & ~31) >>> 0) + index * 8) as Gpa)
  }

  configure(control: PagingControl): boolean {
    const before = this.c
    this.c = { ...control }
    if (this.mode !== 3) return true
    const loaded = [0, 1, 2, 3].map((index) => this.pdpte(index))
    const reserved = 0x1e6n | (below(64) & ~below(control.physicalAddressBits))
    if (this.bug !== 'pae-accepts-reserved' && loaded.some((pdpte) => bit(pdpte, 0) && (pdpte & reserved) !== 0n)) {
      this.c = before
      return false
    }
    this.pdptes = loaded
    return true
  }

  walk(linearLow: number, linearHigh: number, access: number): number {
    const { bug, guest, c } = this
    const [write, fetch, user, ac, probe] = [1, 2, 4, 8, 16].map((flag) => (access & flag) !== 0)
    const nxe = (c.efer & 0x800) !== 0
    const smep = (c.cr4 & 0x100000) !== 0
    const linear = (BigInt(linearHigh >>> 0) << 32n) | BigInt(linearLow >>> 0)
    const fault = (present: boolean, reserved: boolean): number =>
      (present ? 1 : 0) | (write && bug !== 'no-w-bit' ? 2 : 0) | (user ? 4 : 0) | (reserved ? 8 : 0) |
      (fetch && (bug === 'id-always' || smep || (nxe && (c.cr4 & 0x20) !== 0)) ? 16 : 0)

    const mode = this.mode
    if (mode === 0) {
      const high = bug === 'off-signed' && linearLow < 0
      this.done(linear & 0xffffffffn, 12, 0, 7, !!write)
      if (high) this.physicalLow |= 0
      return -1
    }
    const used: { at: bigint; value: bigint }[] = []
    const m = mode === 2 ? Math.min(40, c.physicalAddressBits) : c.physicalAddressBits
    let level = mode
    let table = mode >= 4 ? (BigInt(c.cr3High >>> 0) << 32n) | BigInt(c.cr3Low >>> 0) : BigInt(c.cr3Low >>> 0)
    table = (table & below(m)) & ~0xfffn
    if (mode === 3) {
      const index = Number((linear >> 30n) & 3n)
      const pdpte = bug === 'pae-live-pdptes' ? this.pdpte(index) : this.pdptes[index]!
      if (!bit(pdpte, 0)) return fault(false, false)
      table = pdpte & below(m) & ~0xfffn
      level = 2
    }
    let shift: number
    for (; ; level--) {
      const width = mode === 2 ? 10 : 9
      shift = 12 + width * (level - 1)
      let at = table + (((linear >> BigInt(shift)) & below(width)) << (mode === 2 ? 2n : 3n))
      if (bug === 'cuts-to-32-bits') at &= 0xffffffffn
      if (bug === 'tables-outside-throw' && at >= 0xe0000000n) throw new RangeError('table outside memory')
      const value = mode === 2 ? BigInt(guest.readU32(Number(at) as Gpa)) : guest.readU64(Number(at) as Gpa)
      let large = level > 1 && bit(value, 7)
      if (mode === 2 && !(c.cr4 & 0x10) && bug !== 'pse-always') large = false
      if (bug === 'no-1g' && level === 3) large = false
      let reserved = 0n
      if (mode === 2) {
        if (large) {
          if (bug === 'pse36-missing') reserved = 0x3fe000n
          else if (bug !== 'pse36-unreserved') reserved = below(22) & ~below(m - 19)
        }
      } else {
        reserved = (mode === 3 && bug !== 'pae-bit52' ? below(63) : below(52)) & ~below(m)
        if (!nxe && bug !== 'nx-without-nxe') reserved |= 1n << 63n
        if (level >= 4) reserved |= 0x80n
        if (large && bug !== 'large-unreserved') reserved |= below(shift) & ~below(13)
        if (bug === 'ignored-are-reserved') reserved |= 1n << 11n
        if (bug === 'pte-pat-as-size' && level === 1) reserved |= 0x80n
      }
      if (bug === 'no-reserved') reserved = 0n
      const bad = (value & reserved) !== 0n
      if (!bit(value, 0)) return fault(false, bug === 'reserved-not-present' && bad)
      if (bad) return fault(true, true)
      used.push({ at, value })
      if (large || level === 1) break
      table = value & below(m) & ~0xfffn
    }
    const leaf = used.at(-1)!.value
    const page = below(shift)
    let base = leaf & below(mode === 2 ? 32 : m) & ~page
    if (mode === 2 && shift === 22) base |= ((leaf >> 13n) & 0xffn) << 32n
    if (bug === 'large-keeps-pat' && shift > 12) base |= leaf & 0x1000n
    if (bug === 'cuts-to-32-bits') base &= 0xffffffffn
    const all = (n: number, leafOnly: boolean): boolean => (leafOnly ? bit(leaf, n) : used.every((entry) => bit(entry.value, n)))
    const userPage = all(2, bug === 'us-leaf-only')
    const writable = all(1, bug === 'rw-leaf-only')
    const nx = mode !== 2 && nxe && (bug === 'nx-leaf-only' ? bit(leaf, 63) : used.some((entry) => bit(entry.value, 63)))
    let rights: number
    if (user) {
      rights = userPage ? 1 | (writable ? 2 : 0) | (nx ? 0 : 4) : 0
    } else {
      const wp = bug === 'wp-always' || (bug !== 'wp-ignored' && (c.cr0 & 0x10000) !== 0)
      const smap = userPage && (c.cr4 & 0x200000) !== 0 && bug !== 'smap-ignored' && (!ac || bug === 'smap-ignores-ac')
      const noFetch = (userPage && smep && bug !== 'smep-ignored') || (bug === 'smap-for-fetch' && smap)
      const noData = smap || (bug === 'smep-for-data' && userPage && smep)
      rights = (noData ? 0 : 1 | (writable || !wp ? 2 : 0)) | (nx || noFetch ? 0 : 4)
    }
    const allowed = (rights & (write ? 2 : fetch ? 4 : 1)) !== 0
    if (!probe || bug === 'probe-modifies') {
      used.forEach(({ at, value }, index) => {
        if (!allowed && bug !== 'dirty-on-fault') return
        if (bug !== 'no-accessed') value |= 0x20n
        if (write && index === used.length - 1 && bug !== 'no-dirty') value |= 0x40n
        if (mode === 2) guest.writeU32(Number(at) as Gpa, Number(value))
        else guest.writeU64(Number(at) as Gpa, value)
      })
    }
    if (!allowed) return fault(true, false)
    const dirty = write || bit(leaf, 6) || bug === 'clean-writable'
    const global = bug === 'global-any-level' ? used.some((entry) => bit(entry.value, 8)) : bit(leaf, 8)
    if (bug === 'write-right-always') rights |= 2
    this.done(base | (linear & page), shift, global && ((c.cr4 & 0x80) !== 0 || bug === 'global-without-pge') ? 1 : 0, dirty ? rights : rights & 5, !!write)
    return -1
  }

  private done(physical: bigint, shift: number, global: number, rights: number, write: boolean): void {
    this.physicalLow = Number(physical & 0xffffffffn)
    this.physicalHigh = Number(physical >> 32n)
    this.pageShift = shift
    this.global = global
    this.rights = rights
    const gfn = Number(physical >> 12n) as Gfn
    this.frame = write ? this.guest.frameForWrite(gfn) : this.guest.frameForRead(gfn)
    if (this.bug === 'mmio-frame' && this.frame === -1) this.frame = 0
  }
}
