import { i32, i64, ModuleBuilder } from '@entresol/wasm-builder'
import { CodedError } from '@entresol/kit'
import type { DecodedInstruction } from '../decode/decoder.ts'
import * as L from '../state/layout.ts'
import { TranslatorEmitter } from './emitter.ts'
import type { BlockLocals } from './emitter.ts'

/** Results of a translated block: RIP is in the state block in every case. */
export const BLOCK_DONE = 0
export const BLOCK_FAULT = 1

export interface TranslatedBlock {
  /** A module with one export `block(cpu) → BLOCK_*`; imports env.memory, slow, commit, raise. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Instructions it covers: a prefix of those given. */
  readonly count: number
}

/**
 * Translates straight 64-bit code starting at `rip` from the same rows the interpreter is made of: registers and flags live in locals,
 * written back where the block leaves. This slice covers integer instructions without host functions; regions, chaining and liveness
 * come with the translator proper.
 */
export function translateBlock(
  instructions: readonly DecodedInstruction[], rip: bigint, memory: { initialPages: number; maximumPages: number; shared: boolean },
): TranslatedBlock {
  let count = instructions.length
  for (;;) {
    try {
      return { bytes: build(instructions.slice(0, count), rip, memory), count }
    } catch (error) {
      if (!(error instanceof NotTranslatable) || error.at === 0) throw error
      count = error.at
    }
  }
}

class NotTranslatable extends CodedError {
  readonly at: number

  constructor(at: number, cause: CodedError) {
    super('not-translatable', cause.message)
    this.at = at
  }
}

function build(instructions: readonly DecodedInstruction[], rip: bigint, memory: { initialPages: number; maximumPages: number; shared: boolean }): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', memory.initialPages, memory.maximumPages, memory.shared)
  const slow = module.importFunction('env', 'slow', { params: ['i32'], results: ['i32'] })
  const commit = module.importFunction('env', 'commit', { params: [], results: [] })
  const raise = module.importFunction('env', 'raise', { params: ['i32', 'i32'], results: [] })
  const { builder: b } = module.func({ params: ['i32'], results: ['i32'] }, 'block')
  const cpu = b.param('i32', 0).get
  const locals: BlockLocals = {
    registers: Array.from({ length: 16 }, (_, n) => b.variable(i64.load(cpu, L.REGS + n * 8))),
    flagsResult: b.variable(i64.load(cpu, L.FLAGS_RESULT)),
    flagsAux: b.variable(i32.load(cpu, L.FLAGS_AUX)),
  }
  const leave = (at: ReturnType<typeof i64.const>, status: number): void => {
    locals.registers.forEach((local, n) => b.store('i64', cpu, L.REGS + n * 8, local.get))
    b.store('i64', cpu, L.FLAGS_RESULT, locals.flagsResult.get)
    b.store('i32', cpu, L.FLAGS_AUX, locals.flagsAux.get)
    b.store('i64', cpu, L.RIP, at)
    b.return(i32.const(status))
  }
  instructions.forEach((instruction, at) => {
    const here = i64.const(rip)
    const exits = { slow, commit, raise, fault: () => leave(here, BLOCK_FAULT), jump: (target: typeof here) => leave(target, BLOCK_DONE) }
    try {
      b.scope(() => instruction.variant.row.emit(new TranslatorEmitter(b, cpu, instruction, rip, locals, exits)))
    } catch (error) {
      if (error instanceof CodedError && error.code === 'not-translatable') throw new NotTranslatable(at, error)
      throw error
    }
    rip = BigInt.asUintN(64, rip + BigInt(instruction.length))
  })
  leave(i64.const(rip), BLOCK_DONE)
  b.unreachable()
  return module.encode()
}
