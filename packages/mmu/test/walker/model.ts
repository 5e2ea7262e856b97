/**
 * An independent model of x86 paging, written from the Intel SDM vol. 3A chapter 5 for legibility: BigInt, one function per mode, entries read
 * through a callback, nothing shared with the implementation.
 */
export interface ModelControl {
  pg: boolean
  wp: boolean
  pse: boolean
  pae: boolean
  pge: boolean
  la57: boolean
  smep: boolean
  smap: boolean
  lme: boolean
  nxe: boolean
  cr3: bigint
  maxphyaddr: number
}

export interface ModelAccess {
  write: boolean
  fetch: boolean
  user: boolean
  ac: boolean
}

export interface ModelMemory {
  read32(address: bigint): bigint
  read64(address: bigint): bigint
}

export type ModelResult =
  | { fault: number }
  | {
      physical: bigint
      shift: number
      global: boolean
      /** Rights of the page tables for this privilege. */
      read: boolean
      write: boolean
      execute: boolean
      /** Updates of accessed and dirty flags. */
      updates: { address: bigint; bits: bigint }[]
      dirtyAfter: boolean
    }

interface Entry {
  address: bigint
  value: bigint
}

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n
/** Bits high:low of a value, in place at 0. */
const bits = (value: bigint, high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n)

/** Table 5-1..: the error code, 5.7. */
function errorCode(control: ModelControl, access: ModelAccess, present: boolean, reserved: boolean): number {
  let code = 0
  if (present) code |= 1
  if (access.write) code |= 2
  if (access.user) code |= 4
  if (reserved) code |= 8
  if (access.fetch && (control.smep || (control.pae && control.nxe))) code |= 16
  return code
}

/** PDPTE registers, 5.4.1; undefined when the load raises #GP. */
export function loadPdptes(control: ModelControl, memory: ModelMemory): bigint[] | undefined {
  const base = bits(control.cr3, 31, 5) << 5n
  const loaded: bigint[] = []
  for (let i = 0n; i < 4n; i++) {
    const pdpte = memory.read64(base + i * 8n)
    const reserved = bits(pdpte, 2, 1) | bits(pdpte, 8, 5) | bits(pdpte, 63, control.maxphyaddr)
    if (bit(pdpte, 0) && reserved !== 0n) return undefined
    loaded.push(pdpte)
  }
  return loaded
}

export function translate(
  control: ModelControl, pdptes: bigint[], memory: ModelMemory, linear: bigint, access: ModelAccess,
): ModelResult {
  if (!control.pg) {
    return { physical: bits(linear, 31, 0), shift: 12, global: false, read: true, write: true, execute: true, updates: [], dirtyAfter: true }
  }
  const used: Entry[] = []
  const notPresent = { fault: errorCode(control, access, false, false) }
  const reservedFault = { fault: errorCode(control, access, true, true) }
  let physical: bigint
  let shift: number

  if (!control.pae) {
    // 5.3
    const pde = { address: (bits(control.cr3, 31, 12) << 12n) | (bits(linear, 31, 22) << 2n), value: 0n }
    pde.value = memory.read32(pde.address)
    if (!bit(pde.value, 0)) return notPresent
    used.push(pde)
    if (control.pse && bit(pde.value, 7)) {
      const m = Math.min(40, control.maxphyaddr)
      if (bits(pde.value, 21, m - 19) !== 0n) return reservedFault
      const upper = m > 32 ? bits(pde.value, m - 20, 13) : 0n
      physical = (upper << 32n) | (bits(pde.value, 31, 22) << 22n) | bits(linear, 21, 0)
      shift = 22
    } else {
      const pte = { address: (bits(pde.value, 31, 12) << 12n) | (bits(linear, 21, 12) << 2n), value: 0n }
      pte.value = memory.read32(pte.address)
      if (!bit(pte.value, 0)) return notPresent
      used.push(pte)
      physical = (bits(pte.value, 31, 12) << 12n) | bits(linear, 11, 0)
      shift = 12
    }
  } else {
    const m = control.maxphyaddr
    const address = (entry: bigint): bigint => bits(entry, m - 1, 12) << 12n
    let level: number
    let table: bigint
    if (!control.lme) {
      // 5.4
      const pdpte = pdptes[Number(bits(linear, 31, 30))]!
      if (!bit(pdpte, 0)) return notPresent
      level = 2
      table = address(pdpte)
    } else {
      // 5.5
      level = control.la57 ? 5 : 4
      table = address(control.cr3)
    }
    for (;;) {
      const low = 12 + 9 * (level - 1)
      const entry = { address: table | (bits(linear, low + 8, low) << 3n), value: 0n }
      entry.value = memory.read64(entry.address)
      if (!bit(entry.value, 0)) return notPresent
      let reserved = m < 52 && bits(entry.value, 51, m) !== 0n
      if (!control.lme && bits(entry.value, 62, 52) !== 0n) reserved = true
      if (bit(entry.value, 63) && !control.nxe) reserved = true
      const maps = level === 1 || bit(entry.value, 7)
      if (level >= 4 && bit(entry.value, 7)) reserved = true
      if (level === 3 && maps && bits(entry.value, 29, 13) !== 0n) reserved = true
      if (level === 2 && maps && bits(entry.value, 20, 13) !== 0n) reserved = true
      if (reserved) return reservedFault
      used.push(entry)
      if (maps) {
        shift = low
        physical = ((bits(entry.value, m - 1, 12) << 12n) & ~((1n << BigInt(low)) - 1n)) | bits(linear, low - 1, 0)
        break
      }
      table = address(entry.value)
      level--
    }
  }

  // 5.6.1
  const userAddress = used.every((e) => bit(e.value, 2))
  const allWritable = used.every((e) => bit(e.value, 1))
  const executeDisabled = control.pae && control.nxe && used.some((e) => bit(e.value, 63))
  let read: boolean
  let write: boolean
  let execute: boolean
  if (access.user) {
    read = userAddress
    write = userAddress && allWritable
    execute = userAddress && !executeDisabled
  } else {
    const data = !userAddress || !control.smap || access.ac
    read = data
    write = data && (!control.wp || allWritable)
    execute = !executeDisabled && !(userAddress && control.smep)
  }
  const allowed = access.write ? write : access.fetch ? execute : read
  if (!allowed) return { fault: errorCode(control, access, true, false) }

  // 5.8
  const leaf = used.at(-1)!
  const updates = used.map((e) => ({ address: e.address, bits: 1n << 5n }))
  if (access.write) updates.push({ address: leaf.address, bits: 1n << 6n })
  return {
    physical, shift, read, write, execute, updates,
    global: control.pge && bit(leaf.value, 8),
    dirtyAfter: access.write || bit(leaf.value, 6),
  }
}
