import { callExpr, callIndirectExpr, i32, i64, ModuleBuilder, v128 } from '@entresol/wasm-builder'
import type { FunctionBuilder, FunctionType, I32, I64, Label, Local } from '@entresol/wasm-builder'
import { CodedError } from '@entresol/kit'
import type { InstructionTable, Variant } from '../decode/variants.ts'
import * as L from '../state/layout.ts'
import { InterpreterEmitter } from './emitter.ts'
import type { HandlerExits, InterpreterFunctions } from './emitter.ts'
import { emitLinear, emitOffset } from './functions.ts'
import {
  PSEUDO_CONTINUE, PSEUDO_COUNT, PSEUDO_CROSS, PSEUDO_EXIT, PSEUDO_GENERAL_PROTECTION, PSEUDO_INTERCEPT, PSEUDO_REGION, PSEUDO_UNDEFINED,
} from './pseudo.ts'
import * as R from './records.ts'

export interface HelperImport {
  readonly name: string
  readonly type: FunctionType
}

export interface HelperGlobal {
  readonly name: string
  readonly type: 'i32' | 'i64'
}

const HANDLER: FunctionType = { params: ['i32', 'i32'], results: ['i32'] }

/**
 * Builds the interpreter: `run(cpu, record)` dispatches over records; frequent handlers are arms of its jump table, the rest
 * functions of a private table. Returns LEFT_AT_RIP or LEFT_AT_RECORD.
 */
export function buildInterpreter(
  table: InstructionTable, hostNames: readonly string[], helpers: readonly HelperImport[], globals: readonly HelperGlobal[],
  memory: { initialPages: number; maximumPages: number; shared: boolean },
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', memory.initialPages, memory.maximumPages, memory.shared)
  const slow = module.importFunction('env', 'slow', { params: ['i32', 'i32'], results: ['i32'] })
  const commit = module.importFunction('env', 'commit', { params: ['i32'], results: [] })
  const raise = module.importFunction('env', 'raise', { params: ['i32', 'i32'], results: [] })
  const host = module.importFunction('env', 'host', { params: ['i32', 'i32'], results: ['i32'] })
  const lookup = module.importFunction('env', 'lookup', { params: [], results: ['i32'] })
  const hot = module.importFunction('env', 'hot', { params: ['i32'], results: ['i32'] })
  const enter = module.importFunction('env', 'enter', { params: ['i32', 'i32', 'i32'], results: ['i32'] })
  const helperIndex = new Map(helpers.map((h) => [h.name, module.importFunction('helpers', h.name, h.type)]))
  const globalIndex = new Map(globals.map((g) => [g.name, module.importGlobal('helpers', g.name, g.type)]))
  const offset = module.func({ params: ['i32', 'i32'], results: ['i64'] }, 'offset')
  const linear = module.func({ params: ['i32', 'i32', 'i32', 'i64', 'i32'], results: ['i64'] }, 'linear')
  emitOffset(offset.builder)
  emitLinear(linear.builder, raise)

  const find = (index: number | undefined, what: string): number => {
    if (index === undefined || index < 0) throw new CodedError('bad-instruction-row', `${what} does not exist`)
    return index
  }
  const functions: InterpreterFunctions = {
    shared: memory.shared, slow, commit, raise, host, offset: offset.index, linear: linear.index,
    hostFunction: (name) => find(hostNames.indexOf(name), `host function "${name}"`),
    helper: (name) => find(helperIndex.get(name), `helper "${name}"`),
    helperGlobal: (name) => find(globalIndex.get(name), `helper global "${name}"`),
  }
  const emitBody = (b: FunctionBuilder, cpu: Local<'i32'>, record: Local<'i32'>, variant: Variant, exits: HandlerExits): void => {
    const vex = variant.row.encoding.startsWith('VEX')
    b.scope(() => variant.row.emit(new InterpreterEmitter(b, cpu.get, record.get, variant, functions, exits, vex)))
  }

  const slots: (number | undefined)[] = new Array(PSEUDO_COUNT + table.variants.length).fill(undefined)
  for (const variant of table.variants) {
    if (variant.hot) continue
    const { index, builder: b } = module.func(HANDLER)
    const cpu = b.param('i32', 0)
    const record = b.param('i32', 1)
    const jump = (rip: I64): void => {
      b.store('i64', cpu.get, L.RIP, rip)
      b.return(i32.const(R.STATUS_JUMP))
    }
    emitBody(b, cpu, record, variant, {
      fault: () => b.return(i32.const(R.STATUS_FAULT)),
      jump,
      branch: jump,
      status: (status) => b.return(status),
    })
    b.emit(i32.const(R.STATUS_NEXT))
    slots[variant.id] = index
  }
  module.table(slots)
  emitRun(module, table.variants.filter((v) => v.hot), {
    raise, host, lookup, hot, enter, crossPage: functions.hostFunction('cross-page'), intercept: functions.hostFunction('intercept'),
  }, emitBody)
  return module.encode()
}

interface RunFunctions {
  raise: number
  host: number
  lookup: number
  hot: number
  enter: number
  crossPage: number
  intercept: number
}

type EmitBody = (b: FunctionBuilder, cpu: Local<'i32'>, record: Local<'i32'>, variant: Variant, exits: HandlerExits) => void

function emitRun(module: ModuleBuilder, hot: readonly Variant[], f: RunFunctions, emitBody: EmitBody): void {
  const { index, builder: b } = module.func({ params: ['i32', 'i32'], results: ['i32'] }, 'run')
  // What profilers of the engine show.
  module.nameFunction(index, 'interpreter')
  const handlerType = module.typeIndex(HANDLER.params, HANDLER.results)
  const cpu = b.param('i32', 0)
  const record = b.param('i32', 1)
  // First record since the last control transfer: records are contiguous, so the distance is the instruction count.
  const entry = b.variable(record.get)
  const rip = b.local('i64')
  const status = b.local('i32')
  const link = b.local('i32')
  // Signed: PSEUDO_CONTINUE as the first record (a string instruction that overwrote itself) makes it -1.
  const count = i32.shr_s(i32.sub(record.get, entry.get), i32.const(5))
  const burn = (instructions: typeof count): void => b.store('i32', cpu.get, L.FUEL, i32.sub(i32.load(cpu.get, L.FUEL), instructions))
  const leave = (code: number): void => b.return(i32.const(code))
  /** There is a link, it leads to an instruction still, and the page it is on is mapped as it was when it was entered. */
  const linked = (): I32 => i32.eqz(i32.or(i32.eqz(link.get), i32.or(
    i32.eqz(i32.load16_u(link.get)), i32.and(i32.load(cpu.get, L.PAGE_LINEAR), i32.const(1)))))
  const recordRip = i64.add(i64.load(cpu.get, L.PAGE_RIP), i64.extend_i32_u(i32.load16_u(record.get, R.R_OFFSET)))

  b.loop((top) => {
    b.block((transfer) => {
      b.block((jump) => {
        b.block((next) => {
          b.block((fault) => {
            b.block((dispatchStatus) => {
              b.block((branch) => emitArms(top, jump, branch, fault, dispatchStatus))
              emitBranch(top, jump)
            })
            // Status of an out-of-line handler or host function.
            b.block((step) => {
              b.block((repeat) => {
                b.block((leaveHere) => {
                  b.block((statusJump) => {
                    b.brTable(status.get, [next, fault, statusJump, repeat, step], leaveHere)
                  })
                  b.set(rip, i64.load(cpu.get, L.RIP))
                  b.br(jump)
                })
                burn(i32.add(count, i32.const(1)))
                leave(R.LEFT_AT_RIP)
              })
              burn(i32.add(count, i32.const(1)))
              b.set(entry, record.get)
              b.brIf(top, i32.ge_s(i32.or(i32.load(cpu.get, L.FUEL), i32.load(cpu.get, L.KICK)), i32.const(0)))
              b.store('i32', cpu.get, L.CURRENT_RECORD, record.get)
              leave(R.LEFT_AT_RECORD)
            })
            burn(count)
            b.set(record, i32.add(cpu.get, i32.const(L.STEP_RECORDS)))
            b.set(entry, record.get)
            b.br(top)
          })
          burn(count)
          b.store('i32', cpu.get, L.CURRENT_RECORD, record.get)
          leave(R.LEFT_AT_RECORD)
        })
        b.set(record, i32.add(record.get, i32.const(R.RECORD_BYTES)))
        b.br(top)
      })
      burn(i32.add(count, i32.const(1)))
      b.br(transfer)
    })
    emitTransfer(top)
  })
  b.unreachable()

  function emitArms(top: Label, jump: Label, branch: Label, fault: Label, dispatchStatus: Label): void {
    const pseudo: ((() => void) | undefined)[] = []
    pseudo[PSEUDO_CONTINUE] = () => {
      b.set(link, i32.load(record.get, R.R_LINK))
      b.if(linked(), () => {
        b.set(entry, i32.add(entry.get, i32.sub(link.get, record.get)))
        b.set(record, link.get)
        b.br(top)
      })
      b.set(rip, i64.and(recordRip, i64.load(cpu.get, L.RIP_MASK)))
      // Not an instruction: `jump` will count one too many.
      b.set(entry, i32.add(entry.get, i32.const(R.RECORD_BYTES)))
      b.br(jump)
    }
    pseudo[PSEUDO_EXIT] = () => {
      b.store('i64', cpu.get, L.RIP, i64.and(recordRip, i64.load(cpu.get, L.RIP_MASK)))
      burn(count)
      leave(R.LEFT_AT_RIP)
    }
    pseudo[PSEUDO_CROSS] = () => {
      b.set(status, callExpr('i32', f.host, [i32.const(f.crossPage), record.get]))
      b.br(dispatchStatus)
    }
    pseudo[PSEUDO_UNDEFINED] = () => {
      b.call(f.raise, i32.const(6), i32.const(-1))
      b.br(fault)
    }
    pseudo[PSEUDO_GENERAL_PROTECTION] = () => {
      b.call(f.raise, i32.const(13), i32.const(0))
      b.br(fault)
    }
    pseudo[PSEUDO_INTERCEPT] = () => {
      b.set(status, callExpr('i32', f.host, [i32.const(f.intercept), record.get]))
      b.br(dispatchStatus)
    }
    pseudo[PSEUDO_REGION] = () => {
      burn(count)
      b.set(status, callExpr('i32', f.enter, [cpu.get, i32.load(record.get, R.R_REGION_SLOT), i32.load(record.get, R.R_REGION_ENTRY)]))
      b.set(rip, i64.load(cpu.get, L.RIP))
      b.if(i32.eq(status.get, i32.const(R.REGION_BAILED)), () => emitBailed(top))
      // Regions count their instructions themselves.
      b.set(entry, i32.add(record.get, i32.const(R.RECORD_BYTES)))
      b.br(jump)
    }
    const arms: (() => void)[] = pseudo.map((arm) => arm ?? (() => b.unreachable()))
    for (const variant of hot) {
      arms[variant.id] = () => {
        emitBody(b, cpu, record, variant, {
          fault: () => b.br(fault),
          jump: (target) => {
            b.set(rip, target)
            b.br(jump)
          },
          branch: (target) => {
            b.set(rip, target)
            b.br(branch)
          },
          status: (value) => {
            b.set(status, value)
            b.br(dispatchStatus)
          },
        })
        b.set(record, i32.add(record.get, i32.const(R.RECORD_BYTES)))
        b.br(top)
      }
    }
    const open = (index: number, labels: Label[]): void => {
      if (index < 0) {
        b.block((outOfLine) => b.brTable(i32.load16_u(record.get), labels.slice().reverse(), outOfLine))
        b.set(status, callIndirectExpr('i32', handlerType, 0, i32.load16_u(record.get), [cpu.get, record.get]))
        b.br(dispatchStatus)
        return
      }
      b.block((label) => open(index - 1, [...labels, label]))
      arms[index]!()
    }
    open(arms.length - 1, [])
  }

  /** The relative branch of the record is taken, to `rip`. */
  function emitBranch(top: Label, jump: Label): void {
    b.set(link, i32.load(record.get, R.R_LINK))
    b.brIf(jump, i32.eqz(linked()))
    b.if(i32.and(i32.load8_u(record.get, R.R_FLAGS), i32.const(R.RECORD_COUNTED)), () => {
      burn(i32.add(count, i32.const(1)))
      b.if(i32.lt_s(i32.or(i32.load(cpu.get, L.FUEL), i32.load(cpu.get, L.KICK)), i32.const(0)), () => {
        b.store('i64', cpu.get, L.RIP, rip.get)
        leave(R.LEFT_AT_RIP)
      })
      b.set(record, link.get)
      emitHeat()
      b.set(entry, record.get)
      b.br(top)
    })
    b.set(entry, i32.sub(i32.add(entry.get, i32.sub(link.get, record.get)), i32.const(R.RECORD_BYTES)))
    b.set(record, link.get)
    b.br(top)
  }

  /** Carries out the one instruction at `rip` of the current page, then looks for a region again. */
  function emitBailed(top: Label): void {
    const offset = b.let(i32.wrap_i64(i64.sub(rip.get, i64.load(cpu.get, L.PAGE_RIP))))
    b.set(record, i32.load(i32.add(i32.load(cpu.get, L.PAGE_TABLE), i32.shl(offset, i32.const(2)))))
    b.if(i32.eqz(record.get), () => {
      b.set(record, callExpr('i32', f.lookup, []))
      b.if(i32.eqz(record.get), () => leave(R.LEFT_AT_RIP))
    })
    b.if(i32.eq(i32.load16_u(record.get, R.R_HANDLER), i32.const(PSEUDO_REGION)), () => b.set(record, i32.load(record.get, R.R_REGION_ORIGINAL)))
    b.if(i32.ge_u(i32.load16_u(record.get, R.R_HANDLER), i32.const(PSEUDO_COUNT)), () => {
      const step = b.let(i32.add(cpu.get, i32.const(L.STEP_RECORDS)))
      for (let at = 0; at < R.RECORD_BYTES; at += 16) b.store('v128', step, at, v128.load(record.get, at))
      const next = i32.add(offset, i32.load8_u(record.get, R.R_LENGTH))
      b.store('i32', step, R.RECORD_BYTES + R.R_HANDLER, i32.const(PSEUDO_CONTINUE))
      b.store('i32', step, R.RECORD_BYTES + R.R_LINK, i32.const(0))
      b.store('i32', step, R.RECORD_BYTES + R.R_OFFSET, next)
      b.set(record, step)
    })
    b.set(entry, record.get)
    b.br(top)
  }

  /** Counts arrivals at a record; what is hot gets translated. */
  function emitHeat(): void {
    const counter = b.let(i32.add(cpu.get, i32.and(i32.shr_u(record.get, i32.const(4)), i32.const((L.HEAT_COUNTERS - 1) * 2))))
    const left = b.let(i32.sub(i32.load16_u(counter, L.HEAT), i32.const(1)))
    b.store('i32_16', counter, L.HEAT, left)
    b.if(i32.eqz(left), () => b.set(record, callExpr('i32', f.hot, [record.get])))
  }

  /** Finds the record at `rip`: same page, else fetch TLB, else the host's `lookup`. */
  function emitTransfer(top: Label): void {
    b.if(i32.lt_s(i32.or(i32.load(cpu.get, L.FUEL), i32.load(cpu.get, L.KICK)), i32.const(0)), () => {
      b.store('i64', cpu.get, L.RIP, rip.get)
      leave(R.LEFT_AT_RIP)
    })
    const linear = b.variable(i64.add(rip.get, i64.load(cpu.get, L.segment(L.SEG_CS) + L.SEG_BASE)))
    const offset = i32.shl(i32.and(i32.wrap_i64(linear.get), i32.const(0xfff)), i32.const(2))
    b.if(i64.eq(i64.and(linear.get, i64.const(-4096n)), i64.load(cpu.get, L.PAGE_LINEAR)), () => {
      const from = b.let(record.get)
      b.set(record, i32.load(i32.add(i32.load(cpu.get, L.PAGE_TABLE), offset)))
      b.if(record.get, () => {
        b.if(i32.and(i32.load8_u(from, R.R_FLAGS), i32.const(R.RECORD_LINKS)), () => b.store('i32', from, R.R_LINK, record.get))
        emitHeat()
        b.set(entry, record.get)
        b.br(top)
      })
    }, () => {
      const slot = b.variable(i32.add(i32.load(cpu.get, L.TLB_BASE),
        i32.and(i32.wrap_i64(i64.shr_u(linear.get, i64.const(7))), i32.const((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES))))
      const page = i64.and(linear.get, i64.const(-4096n))
      const tag = i64.or(page, i64.load32_u(cpu.get, L.CODE_MODE))
      b.if(i64.eq(i64.load(slot.get, L.TLB_FETCH), tag), () => {
        const table = b.let(i32.load(slot.get, L.TLB_CODE))
        b.set(record, i32.load(i32.add(table, offset)))
        b.if(record.get, () => {
          b.store('i64', cpu.get, L.PAGE_LINEAR, page)
          b.store('i64', cpu.get, L.PAGE_RIP, i64.sub(page, i64.load(cpu.get, L.segment(L.SEG_CS) + L.SEG_BASE)))
          b.store('i32', cpu.get, L.PAGE_TABLE, table)
          emitHeat()
          b.set(entry, record.get)
          b.br(top)
        })
      })
    })
    b.store('i64', cpu.get, L.RIP, rip.get)
    b.set(record, callExpr('i32', f.lookup, []))
    b.set(entry, record.get)
    b.brIf(top, record.get)
    leave(R.LEFT_AT_RIP)
  }
}
