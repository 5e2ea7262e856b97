import * as X from '@entresol/x86'
import { GP, GuestFault, NM, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import { loadFpuControl } from './x87-environment.ts'

/** SDM vol. 1, 10.5.1 (FXSAVE area), 13.4 (XSAVE area: legacy region, header, extended region). */
const FXSAVE_BYTES = 512
const HEADER = 512
const AVX_OFFSET = 576
const XMM_OFFSET = 160
const X87 = X.XCR0_X87
const SSE = X.XCR0_SSE
const AVX = X.XCR0_AVX
const MXCSR_MASK = 0xffff
const MXCSR_RESET = 0x1f80

// Every context switch of a kernel comes by here: areas are worked on in place, as 32-bit words of machine memory.

function copyFpuOut({ state }: SystemContext, at: number, wide: boolean): void {
  const { u32 } = state.memory
  const top = state.u32(L.FPU_TOP) & 7
  let word = at >>> 2
  u32[word] = (state.u32(L.FPU_CONTROL) & 0xffff) | (((state.u32(L.FPU_STATUS) & 0xc7ff) | (top << 11)) << 16)
  // Abridged tags: a set bit is a register in use.
  u32[word + 1] = (~state.u32(L.FPU_EMPTY) & 0xff) | ((state.u32(L.FPU_OPCODE) & 0x7ff) << 16)
  u32[word + 2] = state.u32(L.FPU_IP)
  u32[word + 3] = wide ? state.u32(L.FPU_IP + 4) : state.u32(L.FPU_CS) & 0xffff
  u32[word + 4] = state.u32(L.FPU_DP)
  u32[word + 5] = wide ? state.u32(L.FPU_DP + 4) : state.u32(L.FPU_DS) & 0xffff
  word += 8
  for (let i = 0; i < 8; i++, word += 4) {
    const cell = (state.base + L.FPU_REGISTERS + ((top + i) & 7) * 16) >>> 2
    u32[word] = u32[cell]!
    u32[word + 1] = u32[cell + 1]!
    u32[word + 2] = u32[cell + 2]! & 0xffff
    u32[word + 3] = 0
  }
}

function copyFpuIn({ state }: SystemContext, at: number, wide: boolean): void {
  const { u32 } = state.memory
  let word = at >>> 2
  const status = u32[word]! >>> 16
  const top = (status >> 11) & 7
  loadFpuControl(state, u32[word]! & 0xffff, status)
  state.setU32(L.FPU_EMPTY, ~u32[word + 1]! & 0xff)
  state.setU32(L.FPU_OPCODE, (u32[word + 1]! >>> 16) & 0x7ff)
  state.setU32(L.FPU_IP, u32[word + 2]!)
  state.setU32(L.FPU_IP + 4, wide ? u32[word + 3]! : 0)
  state.setU32(L.FPU_DP, u32[word + 4]!)
  state.setU32(L.FPU_DP + 4, wide ? u32[word + 5]! : 0)
  state.setU32(L.FPU_CS, wide ? 0 : u32[word + 3]! & 0xffff)
  state.setU32(L.FPU_DS, wide ? 0 : u32[word + 5]! & 0xffff)
  word += 8
  for (let i = 0; i < 8; i++, word += 4) {
    const cell = (state.base + L.FPU_REGISTERS + ((top + i) & 7) * 16) >>> 2
    u32[cell] = u32[word]!
    u32[cell + 1] = u32[word + 1]!
    u32[cell + 2] = u32[word + 2]! & 0xffff
    u32[cell + 3] = 0
  }
}

/** Initial x87 state, as FNINIT gives and with empty, zero registers (13.6). */
function initializeFpu({ state }: SystemContext): void {
  state.setU32(L.FPU_CONTROL, 0x37f)
  state.setU32(L.FPU_STATUS, 0)
  state.setU32(L.FPU_TOP, 0)
  state.setU32(L.FPU_EMPTY, 0xff)
  for (let field = L.FPU_OPCODE; field <= L.FPU_DS; field += 4) state.setU32(field, 0)
  for (let offset = 0; offset < 128; offset += 4) state.setU32(L.FPU_REGISTERS + offset, 0)
}

const vectors = (c: SystemContext): number => (c.state.mode64 ? 16 : 8)

/** Copies one 16-byte half of each vector register: `half` 0 low (XMM), 16 high. */
function copyVectorsOut(c: SystemContext, at: number, half: 0 | 16): void {
  const { u32 } = c.state.memory
  let word = at >>> 2
  let cell = (c.state.base + L.YMM + half) >>> 2
  for (let n = vectors(c); n > 0; n--, word += 4, cell += 8) {
    u32[word] = u32[cell]!
    u32[word + 1] = u32[cell + 1]!
    u32[word + 2] = u32[cell + 2]!
    u32[word + 3] = u32[cell + 3]!
  }
}

function copyVectorsIn(c: SystemContext, at: number, half: 0 | 16): void {
  const { u32 } = c.state.memory
  let word = at >>> 2
  let cell = (c.state.base + L.YMM + half) >>> 2
  for (let n = vectors(c); n > 0; n--, word += 4, cell += 8) {
    u32[cell] = u32[word]!
    u32[cell + 1] = u32[word + 1]!
    u32[cell + 2] = u32[word + 2]!
    u32[cell + 3] = u32[word + 3]!
  }
}

function clearVectors(c: SystemContext, half: 0 | 16): void {
  const { u32 } = c.state.memory
  let cell = (c.state.base + L.YMM + half) >>> 2
  for (let n = vectors(c); n > 0; n--, cell += 8) u32[cell] = u32[cell + 1] = u32[cell + 2] = u32[cell + 3] = 0
}

/** Linear address of the instruction's area. */
function area(i: HostInstruction, bytes: number, alignment: number, write: boolean): bigint {
  const linear = i.linear(bytes > 255 ? 1 : bytes, write)
  if (Number(linear & 0xffn) & (alignment - 1)) throw new GuestFault(GP, 0)
  return linear
}

/** Where the area can be worked on: the memory itself where the TLB knows it, else a copy. */
function open(c: SystemContext, i: HostInstruction, linear: bigint, bytes: number, write: boolean): number {
  const cached = c.memory.cached(linear, bytes, 'current', write)
  if (cached >= 0) return cached
  const copy = c.state.base + L.AREA
  c.memory.readBytes(linear, c.state.memory.u8.subarray(copy, copy + bytes), 'current', i.stackSegment)
  return copy
}

/** The copy, where `open` gave one, becomes the memory. */
function close(c: SystemContext, i: HostInstruction, linear: bigint, bytes: number, at: number): void {
  const copy = c.state.base + L.AREA
  if (at === copy) c.memory.writeBytes(linear, c.state.memory.u8.subarray(copy, copy + bytes), 'current', i.stackSegment)
}

const fxsave: HostFunction = (c, i) => {
  const { cr0, cr4 } = c.state
  if (cr0 & X.CR0_EM) throw new GuestFault(UD)
  if (cr0 & X.CR0_TS) throw new GuestFault(NM)
  const linear = area(i, FXSAVE_BYTES, 16, true)
  const at = open(c, i, linear, FXSAVE_BYTES, true)
  const { u32 } = c.state.memory
  copyFpuOut(c, at, i.width === 64)
  u32[(at + 24) >>> 2] = c.state.u32(L.MXCSR)
  u32[(at + 28) >>> 2] = MXCSR_MASK
  if (cr4 & X.CR4_OSFXSR) copyVectorsOut(c, at + XMM_OFFSET, 0)
  close(c, i, linear, FXSAVE_BYTES, at)
}

const fxrstor: HostFunction = (c, i) => {
  const { cr0, cr4 } = c.state
  if (cr0 & X.CR0_EM) throw new GuestFault(UD)
  if (cr0 & X.CR0_TS) throw new GuestFault(NM)
  const linear = area(i, FXSAVE_BYTES, 16, false)
  const at = open(c, i, linear, FXSAVE_BYTES, false)
  const mxcsr = c.state.memory.u32[(at + 24) >>> 2]!
  if (mxcsr & ~MXCSR_MASK) throw new GuestFault(GP, 0)
  copyFpuIn(c, at, i.width === 64)
  if (!(cr4 & X.CR4_OSFXSR)) return
  c.state.setU32(L.MXCSR, mxcsr)
  copyVectorsIn(c, at + XMM_OFFSET, 0)
}

/** Components not in their initial configuration (13.6). */
function inUse(c: SystemContext): number {
  const { state } = c
  const { u32 } = state.memory
  let used = 0
  let x87 = state.u32(L.FPU_STATUS) | state.u32(L.FPU_TOP) | (state.u32(L.FPU_CONTROL) ^ 0x37f) | (state.u32(L.FPU_EMPTY) ^ 0xff)
  for (let field = L.FPU_OPCODE; field <= L.FPU_DS; field += 4) x87 |= state.u32(field)
  const registers = (state.base + L.FPU_REGISTERS) >>> 2
  for (let word = registers; word < registers + 32; word++) x87 |= u32[word]!
  if (x87 !== 0) used |= X87
  let low = 0
  let high = 0
  let cell = (state.base + L.YMM) >>> 2
  for (let n = vectors(c); n > 0; n--, cell += 8) {
    low |= u32[cell]! | u32[cell + 1]! | u32[cell + 2]! | u32[cell + 3]!
    high |= u32[cell + 4]! | u32[cell + 5]! | u32[cell + 6]! | u32[cell + 7]!
  }
  return used | (low ? SSE : 0) | (high ? AVX : 0)
}

function requireXsave(c: SystemContext): void {
  if (!(c.state.cr4 & X.CR4_OSXSAVE)) throw new GuestFault(UD)
  if (c.state.cr0 & X.CR0_TS) throw new GuestFault(NM)
}

/** Requested-feature bitmap: XCR0 and EDX:EAX. All components are in the low half. */
const requested = (c: SystemContext): number => c.state.u32(L.XCR0) & c.state.u32(L.REGS)

type SaveKind = 'xsave' | 'xsaveopt' | 'xsavec'

/** 13.7 XSAVE, 13.9 XSAVEOPT, 13.10 XSAVEC. The modified optimization is not made. */
const save = (kind: SaveKind): HostFunction => (c, i) => {
  requireXsave(c)
  const mask = requested(c)
  const bytes = mask & AVX ? AVX_OFFSET + 256 : AVX_OFFSET
  const linear = area(i, bytes, 64, true)
  const at = open(c, i, linear, bytes, true)
  const { u32 } = c.state.memory
  let used = inUse(c) & mask
  const mxcsr = c.state.u32(L.MXCSR)
  if (kind === 'xsavec' && mask & SSE && mxcsr !== MXCSR_RESET) used |= SSE
  const saved = kind === 'xsave' ? mask : used
  if (saved & X87) copyFpuOut(c, at, i.width === 64)
  if (kind === 'xsavec' ? saved & SSE : mask & (SSE | AVX)) {
    u32[(at + 24) >>> 2] = mxcsr
    u32[(at + 28) >>> 2] = MXCSR_MASK
  }
  if (saved & SSE) copyVectorsOut(c, at + XMM_OFFSET, 0)
  // AVX is the first extended component: standard and compacted offsets agree.
  if (saved & AVX) copyVectorsOut(c, at + AVX_OFFSET, 16)
  const header = (at + HEADER) >>> 2
  if (kind === 'xsavec') {
    u32[header] = used
    u32[header + 1] = 0
    u32[header + 2] = mask
    u32[header + 3] = 0x80000000
  } else u32[header] = (u32[header]! & ~mask) | used
  close(c, i, linear, bytes, at)
}

/** 13.8. */
const xrstor: HostFunction = (c, i) => {
  requireXsave(c)
  const { state } = c
  const { u32 } = state.memory
  const mask = requested(c)
  const linear = area(i, AVX_OFFSET, 64, false)
  const header = open(c, i, linear + BigInt(HEADER), 64, false) >>> 2
  const present = u32[header]!
  const compacted = u32[header + 2]!
  const compact = u32[header + 3]! >>> 31 !== 0
  let reserved = u32[header + 4]! | u32[header + 5]!
  if (compact) for (let word = header + 6; word < header + 16; word++) reserved |= u32[word]!
  // No component lies in the high halves of XCR0, XSTATE_BV and XCOMP_BV.
  reserved |= u32[header + 1]! | (u32[header + 3]! & 0x7fffffff)
  const xcr0 = state.u32(L.XCR0)
  if (reserved || (compact ? compacted & ~xcr0 || present & ~compacted : present & ~xcr0 || compacted)) throw new GuestFault(GP, 0)
  if (compact && !c.model.features.has('xsavec')) throw new GuestFault(GP, 0)
  const restored = present & mask
  const at = open(c, i, linear, restored & AVX ? AVX_OFFSET + 256 : AVX_OFFSET, false)
  const loadsMxcsr = compact ? restored & SSE : mask & (SSE | AVX)
  const mxcsr = u32[(at + 24) >>> 2]!
  if (loadsMxcsr && mxcsr & ~MXCSR_MASK) throw new GuestFault(GP, 0)
  if (restored & X87) copyFpuIn(c, at, i.width === 64)
  else if (mask & X87) initializeFpu(c)
  if (loadsMxcsr) state.setU32(L.MXCSR, mxcsr)
  else if (compact && mask & SSE) state.setU32(L.MXCSR, MXCSR_RESET)
  if (restored & SSE) copyVectorsIn(c, at + XMM_OFFSET, 0)
  else if (mask & SSE) clearVectors(c, 0)
  if (restored & AVX) copyVectorsIn(c, at + AVX_OFFSET, 16)
  else if (mask & AVX) clearVectors(c, 16)
}

export const XSAVE_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  fxsave, fxrstor, xrstor, xsave: save('xsave'), xsaveopt: save('xsaveopt'), xsavec: save('xsavec'),
}
