import * as X from '@entresol/x86'
import { GP, GuestFault, NM, UD } from '../memory/fault.ts'
import * as L from '../state/layout.ts'
import type { HostFunction, HostInstruction, SystemContext } from './context.ts'
import { loadFpuControl } from './x87-environment.ts'

/** SDM vol. 1, 10.5.1 (FXSAVE area), 13.4 (XSAVE area: legacy region, header, extended region). */
const FXSAVE_BYTES = 512
const HEADER = 512
const AVX_OFFSET = 576
const X87 = X.XCR0_X87
const SSE = X.XCR0_SSE
const AVX = X.XCR0_AVX
const MXCSR_MASK = 0xffff
const MXCSR_RESET = 0x1f80

function copyFpuOut({ state }: SystemContext, view: DataView, wide: boolean): void {
  const top = state.u32(L.FPU_TOP) & 7
  view.setUint16(0, state.u32(L.FPU_CONTROL), true)
  view.setUint16(2, (state.u32(L.FPU_STATUS) & ~0x3800) | (top << 11), true)
  // Abridged tags: a set bit is a register in use.
  view.setUint8(4, ~state.u32(L.FPU_EMPTY) & 0xff)
  view.setUint8(5, 0)
  view.setUint16(6, state.u32(L.FPU_OPCODE) & 0x7ff, true)
  if (wide) {
    view.setBigUint64(8, state.u64(L.FPU_IP), true)
    view.setBigUint64(16, state.u64(L.FPU_DP), true)
  } else {
    view.setUint32(8, state.u32(L.FPU_IP), true)
    view.setUint32(12, state.u32(L.FPU_CS) & 0xffff, true)
    view.setUint32(16, state.u32(L.FPU_DP), true)
    view.setUint32(20, state.u32(L.FPU_DS) & 0xffff, true)
  }
  for (let i = 0; i < 8; i++) {
    const cell = L.FPU_REGISTERS + ((top + i) & 7) * 16
    view.setBigUint64(32 + i * 16, state.u64(cell), true)
    view.setBigUint64(40 + i * 16, state.u64(cell + 8) & 0xffffn, true)
  }
}

function copyFpuIn({ state }: SystemContext, view: DataView, wide: boolean): void {
  const status = view.getUint16(2, true)
  const top = (status >> 11) & 7
  loadFpuControl(state, view.getUint16(0, true), status)
  state.setU32(L.FPU_EMPTY, ~view.getUint8(4) & 0xff)
  state.setU32(L.FPU_OPCODE, view.getUint16(6, true) & 0x7ff)
  state.setU64(L.FPU_IP, wide ? view.getBigUint64(8, true) : BigInt(view.getUint32(8, true)))
  state.setU64(L.FPU_DP, wide ? view.getBigUint64(16, true) : BigInt(view.getUint32(16, true)))
  state.setU32(L.FPU_CS, wide ? 0 : view.getUint16(12, true))
  state.setU32(L.FPU_DS, wide ? 0 : view.getUint16(20, true))
  for (let i = 0; i < 8; i++) {
    const cell = L.FPU_REGISTERS + ((top + i) & 7) * 16
    state.setU64(cell, view.getBigUint64(32 + i * 16, true))
    state.setU64(cell + 8, BigInt(view.getUint16(40 + i * 16, true)))
  }
}

/** Initial x87 state, as FNINIT gives and with empty, zero registers (13.6). */
function initializeFpu({ state }: SystemContext): void {
  state.setU32(L.FPU_CONTROL, 0x37f)
  for (const field of [L.FPU_STATUS, L.FPU_TOP, L.FPU_OPCODE, L.FPU_CS, L.FPU_DS]) state.setU32(field, 0)
  state.setU32(L.FPU_EMPTY, 0xff)
  for (const field of [L.FPU_IP, L.FPU_DP]) state.setU64(field, 0n)
  for (let offset = 0; offset < 128; offset += 8) state.setU64(L.FPU_REGISTERS + offset, 0n)
}

const vectors = (c: SystemContext): number => (c.state.mode64 ? 16 : 8)

/** Copies one 16-byte half of each vector register: `half` 0 low (XMM), 16 high. */
function copyVectorsOut(c: SystemContext, view: DataView, at: number, half: 0 | 16): void {
  for (let n = 0; n < vectors(c); n++) {
    view.setBigUint64(at + n * 16, c.state.u64(L.YMM + n * 32 + half), true)
    view.setBigUint64(at + n * 16 + 8, c.state.u64(L.YMM + n * 32 + half + 8), true)
  }
}

function copyVectorsIn(c: SystemContext, view: DataView | undefined, at: number, half: 0 | 16): void {
  for (let n = 0; n < vectors(c); n++) {
    c.state.setU64(L.YMM + n * 32 + half, view ? view.getBigUint64(at + n * 16, true) : 0n)
    c.state.setU64(L.YMM + n * 32 + half + 8, view ? view.getBigUint64(at + n * 16 + 8, true) : 0n)
  }
}

function area(i: HostInstruction, bytes: number, alignment: bigint, write: boolean): bigint {
  const linear = i.linear(bytes > 255 ? 1 : bytes, write)
  if (linear & (alignment - 1n)) throw new GuestFault(GP, 0)
  return linear
}

const fxsave: HostFunction = (c, i) => {
  const { cr0, cr4 } = c.state
  if (cr0 & X.CR0_EM) throw new GuestFault(UD)
  if (cr0 & X.CR0_TS) throw new GuestFault(NM)
  const linear = area(i, FXSAVE_BYTES, 16n, true)
  const bytes = new Uint8Array(FXSAVE_BYTES)
  c.memory.readBytes(linear, bytes, 'current', i.stackSegment)
  const view = new DataView(bytes.buffer)
  copyFpuOut(c, view, i.width === 64)
  view.setUint32(24, c.state.u32(L.MXCSR), true)
  view.setUint32(28, MXCSR_MASK, true)
  if (cr4 & X.CR4_OSFXSR) copyVectorsOut(c, view, 160, 0)
  c.memory.writeBytes(linear, bytes, 'current', i.stackSegment)
}

const fxrstor: HostFunction = (c, i) => {
  const { cr0, cr4 } = c.state
  if (cr0 & X.CR0_EM) throw new GuestFault(UD)
  if (cr0 & X.CR0_TS) throw new GuestFault(NM)
  const linear = area(i, FXSAVE_BYTES, 16n, false)
  const bytes = new Uint8Array(FXSAVE_BYTES)
  c.memory.readBytes(linear, bytes, 'current', i.stackSegment)
  const view = new DataView(bytes.buffer)
  const mxcsr = view.getUint32(24, true)
  if (mxcsr & ~MXCSR_MASK) throw new GuestFault(GP, 0)
  copyFpuIn(c, view, i.width === 64)
  if (!(cr4 & X.CR4_OSFXSR)) return
  c.state.setU32(L.MXCSR, mxcsr)
  copyVectorsIn(c, view, 160, 0)
}

/** Components not in their initial configuration (13.6). */
function inUse(c: SystemContext): number {
  const { state } = c
  let used = 0
  const fields = state.u32(L.FPU_STATUS) | state.u32(L.FPU_TOP) | state.u32(L.FPU_OPCODE) | state.u32(L.FPU_CS) | state.u32(L.FPU_DS)
  if (state.u32(L.FPU_CONTROL) !== 0x37f || state.u32(L.FPU_EMPTY) !== 0xff || fields) used |= X87
  else if (state.u64(L.FPU_IP) | state.u64(L.FPU_DP)) used |= X87
  else for (let o = 0; o < 128; o += 8) if (state.u64(L.FPU_REGISTERS + o)) used |= X87
  for (let n = 0; n < vectors(c); n++) {
    const at = L.YMM + n * 32
    if (state.u64(at) | state.u64(at + 8)) used |= SSE
    if (state.u64(at + 16) | state.u64(at + 24)) used |= AVX
  }
  return used
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
  const bytes = new Uint8Array(mask & AVX ? AVX_OFFSET + 256 : AVX_OFFSET)
  const linear = area(i, bytes.length, 64n, true)
  c.memory.readBytes(linear, bytes, 'current', i.stackSegment)
  const view = new DataView(bytes.buffer)
  let used = inUse(c) & mask
  const mxcsr = c.state.u32(L.MXCSR)
  if (kind === 'xsavec' && mask & SSE && mxcsr !== MXCSR_RESET) used |= SSE
  const saved = kind === 'xsave' ? mask : used
  if (saved & X87) copyFpuOut(c, view, i.width === 64)
  if (kind === 'xsavec' ? saved & SSE : mask & (SSE | AVX)) {
    view.setUint32(24, mxcsr, true)
    view.setUint32(28, MXCSR_MASK, true)
  }
  if (saved & SSE) copyVectorsOut(c, view, 160, 0)
  // AVX is the first extended component: standard and compacted offsets agree.
  if (saved & AVX) copyVectorsOut(c, view, AVX_OFFSET, 16)
  if (kind === 'xsavec') {
    view.setBigUint64(HEADER, BigInt(used), true)
    view.setBigUint64(HEADER + 8, BigInt(mask) | (1n << 63n), true)
  } else {
    view.setBigUint64(HEADER, (view.getBigUint64(HEADER, true) & ~BigInt(mask)) | BigInt(used), true)
  }
  c.memory.writeBytes(linear, bytes, 'current', i.stackSegment)
}

/** 13.8. */
const xrstor: HostFunction = (c, i) => {
  requireXsave(c)
  const mask = requested(c)
  const linear = area(i, AVX_OFFSET, 64n, false)
  const header = new Uint8Array(64)
  c.memory.readBytes(linear + BigInt(HEADER), header, 'current', i.stackSegment)
  const head = new DataView(header.buffer)
  const present = head.getBigUint64(0, true)
  const compacted = head.getBigUint64(8, true)
  const compact = compacted >> 63n !== 0n
  const xcr0 = c.state.u64(L.XCR0)
  if (header.subarray(16, compact ? 64 : 24).some((b) => b !== 0)) throw new GuestFault(GP, 0)
  if (compact ? compacted & ~(xcr0 | (1n << 63n)) || present & ~compacted : present & ~xcr0 || compacted) throw new GuestFault(GP, 0)
  if (compact && !c.model.features.has('xsavec')) throw new GuestFault(GP, 0)
  const restored = Number(present) & mask
  const bytes = new Uint8Array(restored & AVX ? AVX_OFFSET + 256 : AVX_OFFSET)
  c.memory.readBytes(linear, bytes, 'current', i.stackSegment)
  const view = new DataView(bytes.buffer)
  const loadsMxcsr = compact ? restored & SSE : mask & (SSE | AVX)
  const mxcsr = view.getUint32(24, true)
  if (loadsMxcsr && mxcsr & ~MXCSR_MASK) throw new GuestFault(GP, 0)
  if (restored & X87) copyFpuIn(c, view, i.width === 64)
  else if (mask & X87) initializeFpu(c)
  if (loadsMxcsr) c.state.setU32(L.MXCSR, mxcsr)
  else if (compact && mask & SSE) c.state.setU32(L.MXCSR, MXCSR_RESET)
  if (mask & SSE) copyVectorsIn(c, restored & SSE ? view : undefined, 160, 0)
  if (mask & AVX) copyVectorsIn(c, restored & AVX ? view : undefined, AVX_OFFSET, 16)
}

export const XSAVE_FUNCTIONS: Readonly<Record<string, HostFunction>> = {
  fxsave, fxrstor, xrstor, xsave: save('xsave'), xsaveopt: save('xsaveopt'), xsavec: save('xsavec'),
}
