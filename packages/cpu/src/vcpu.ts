import type {
  Bus, Clock, FlatWindow, Intercepts, InterruptSource, MachineMemory, PageWalker, PhysicalMap, RandomSource, Vcpu, VcpuExit, VcpuRegisters, VcpuSignals,
} from '@entresol/interfaces'
import { DR6_BREAKPOINTS, DR6_BS, DR7_GD } from '@entresol/x86'
import { CodeCache } from './code/code-cache.ts'
import type { CodePageId } from './code/code-cache.ts'
import { CodeFrames } from './code/code-frames.ts'
import type { CodeRegistry } from './code/code-frames.ts'
import { CodeFetcher } from './code/fetcher.ts'
import { HOST_CROSS_PAGE, HOST_INTERCEPT, HOST_NAMES, instantiateInterpreter, TABLE } from './interpreter/instance.ts'
import type { InterpreterExports } from './interpreter/instance.ts'
import * as R from './interpreter/records.ts'
import { GuestFault } from './memory/fault.ts'
import { LinearMemory } from './memory/linear-memory.ts'
import { Tlb } from './memory/tlb.ts'
import * as L from './state/layout.ts'
import { CpuState } from './state/state.ts'
import { readRegisters, writeRegisters } from './state/registers.ts'
import type { ApicRegisters, HostFunction, HostInstruction, Leave, ParavirtualMsrs, SystemContext } from './system/context.ts'
import type { CpuModel } from './system/cpuid/model.ts'
import { Breakpoints } from './system/debug.ts'
import { deliverEvent } from './system/events.ts'
import type { GuestEvent } from './system/events.ts'
import { HOST_FUNCTIONS } from './system/host.ts'
import { deliverLong } from './system/long-mode.ts'
import { readMsr, writeMsr } from './system/msr.ts'
import { codeMode, pagingControl, privilegeSet, stackMask } from './system/modes.ts'
import { usableUnits } from './system/units.ts'
import type { VcpuTrace } from './trace.ts'
import { resetState } from './system/reset.ts'
import { describeIntercept, executeIntercepted, interceptsVariant } from './system/intercepts.ts'
import { InstructionView } from './instruction-view.ts'
import { helperFunctions } from './helpers.ts'
import type { TranslationHelper } from './translator/region-job.ts'
import { Translator } from './translator/translator.ts'

export interface SoftwareVcpuOptions {
  readonly id: number
  readonly memory: MachineMemory
  readonly physical: Pick<PhysicalMap, 'onInvalidate' | 'onHostWrite'>
  readonly walker: PageWalker
  /**
   * Linear addresses that `walker` maps to the same machine bytes for good: translated code reaches them with one comparison and no TLB. It does not look
   * there at rights of pages to read and write, data breakpoints and alignment (CR0.AM), and its stores to decoded code are not noticed before
   * `physical` tells of them. Instruction fetch and all other addresses are checked as ever. For programs in user mode, whose host is their kernel.
   */
  readonly flat?: FlatWindow
  readonly ports: Bus
  readonly mmio: Bus
  readonly interrupts: InterruptSource
  readonly apic: ApicRegisters
  readonly paravirtual?: ParavirtualMsrs
  readonly clock: Clock
  readonly random: RandomSource
  readonly model: CpuModel
  /** Time-stamp counter frequency in Hz (default 1e9). */
  readonly tscFrequency?: number
  /** Bytes for decoded code (default 48 MiB). */
  readonly codeCacheBytes?: number
  /** Shared by the vCPUs of a machine memory; without it this one is alone there. */
  readonly codeFrames?: CodeRegistry
  /** PAUSE ends the slice: whoever spins waits for another vCPU of the same thread. */
  readonly yieldOnPause?: boolean
  /** Arrivals at an address, close on each other, before its code is translated to WebAssembly (default 5,000); 0: everything is interpreted. */
  readonly translateAfter?: number
  /** Translates in another thread, from one slice to the next. Absent: here and at once. */
  readonly translationHelper?: TranslationHelper
  /** Called between instructions, in the vCPU's thread, after another thread set KICK. */
  readonly onKick?: () => void
  /** What the guest calls a place of code: names of translated functions in profilers of the engine end with it. */
  readonly symbol?: (rip: bigint) => string | undefined
  /** Called back with what happens, for logs. Costs nothing when absent. */
  readonly trace?: VcpuTrace
}

/** Default of `translateAfter`. */
const TRANSLATE_AFTER = 5_000

const NO_INTERCEPTS: Intercepts = {
  exceptions: 0, softwareInterrupts: false, syscall: false, sysenter: false, cpuid: false, msr: false, io: false, hlt: false,
  controlRegisters: false, pageTableBase: false,
}

const HOSTS: readonly (HostFunction | undefined)[] = HOST_NAMES.map((name) => HOST_FUNCTIONS[name])

/** What delivering an event takes from the slice, in instructions: it is that much slower. */
const EVENT_COST = 16

/** x86-64 in software: decodes, interprets, and delivers events. */
export class SoftwareVcpu implements Vcpu, VcpuSignals, SystemContext {
  readonly id: number
  readonly state: CpuState
  readonly memory: LinearMemory
  readonly tlb: Tlb
  readonly walker: PageWalker
  readonly ports: Bus
  readonly model: CpuModel
  readonly clock: Clock
  readonly random: RandomSource
  readonly apic: ApicRegisters
  readonly paravirtual: ParavirtualMsrs | undefined
  readonly trace: VcpuTrace | undefined
  readonly #yieldOnPause: boolean
  readonly #onKick: (() => void) | undefined
  readonly intercepts: Intercepts = { ...NO_INTERCEPTS }
  readonly code: CodeCache
  /** Which machine frames are code for any vCPU. */
  readonly codeFrames: CodeRegistry
  readonly #interrupts: InterruptSource
  readonly #tscPerNanosecond: number
  readonly #wasm: InterpreterExports
  readonly #fetcher: CodeFetcher
  readonly translator: Translator | undefined
  readonly #instruction: InstructionView
  #tscOffsetLow = 0
  #tscOffsetHigh = 0
  #fault: GuestFault | undefined
  /** Something else than a guest fault was thrown while generated code ran: a bug of ours, rethrown by `run`. */
  #failure: unknown
  #left: Leave | undefined
  #inhibited = false
  /** The last instruction loaded SS: debug traps wait with the interrupts. */
  #debugInhibited = false
  readonly #breakpoints: Breakpoints
  /** DR6 bits of breakpoints the instruction in progress has met. */
  #debugHits = 0
  /** DR6 bits of the #DB to deliver before anything else happens. */
  #debugTrap = 0
  /** The instruction in progress loaded EFLAGS.RF, which then holds for the next one. */
  #resumeLoaded = false
  /** INT n, SYSCALL: no single-step trap follows. */
  #stepSuppressed = false
  #halted = false
  /** What besides an interrupt ends the halt (MWAIT). */
  #wakes: (() => boolean) | undefined
  #shutdown = false
  #nmi = false
  #nmiBlocked = false
  #initPending = false
  #sipiVector = -1
  #waitForSipi = false
  #budget = 0
  #retired = 0
  #single = false
  readonly exceptionCounts: Uint32Array = new Uint32Array(256)

  constructor(options: SoftwareVcpuOptions) {
    this.id = options.id
    this.walker = options.walker
    this.ports = options.ports
    this.model = options.model
    this.clock = options.clock
    this.random = options.random
    this.apic = options.apic
    this.paravirtual = options.paravirtual
    this.#interrupts = options.interrupts
    this.#tscPerNanosecond = (options.tscFrequency ?? 1e9) / 1e9
    this.trace = options.trace
    this.#yieldOnPause = options.yieldOnPause ?? false
    this.#onKick = options.onKick
    this.state = new CpuState(options.memory)
    this.tlb = new Tlb(this.state)
    const { trace } = options
    if (trace?.flush) this.tlb.onFlush = (what, low, high) => trace.flush!(this, what, low, high)
    const frames = this.codeFrames = options.codeFrames ?? new CodeFrames(options.memory)
    this.code = new CodeCache({
      memory: options.memory, table: TABLE, arenaBytes: options.codeCacheBytes ?? 48 * 1024 * 1024,
      stepRecords: this.state.base + L.STEP_RECORDS,
      allowed: (entry) => entry.row.options.feature === undefined || this.model.features.has(entry.row.options.feature),
      intercepted: (variant) => interceptsVariant(this.intercepts, variant),
      onNewCode: (frame) => frames.add(frame),
      onCodeGone: (frame) => frames.remove(frame),
      onOverwritten: (page, from, to) => this.translator?.overwritten(page, from, to),
      onFlush: () => {
        this.translator?.flush()
        this.tlb.flushFetch()
        this.#forgetPage()
      },
    })
    frames.join({
      wrote: (address, length) => this.code.wrote(address, length), overlaps: (address, length) => this.code.overlaps(address, length),
      drop: (frame) => this.code.dropFrame(frame), protect: (frame) => this.tlb.protectFrame(frame),
    })
    this.memory = new LinearMemory(this.state, options.walker, options.mmio, this.tlb, frames)
    this.#breakpoints = new Breakpoints(this.state)
    const breakpoints = this.#breakpoints
    this.memory.watch = {
      get watching() { return breakpoints.watching },
      watchesPage: (linear) => breakpoints.watchesPage(linear),
      accessed: (linear, size, write) => void (this.#debugHits |= breakpoints.access(linear, size, write)),
    }
    options.physical.onInvalidate(() => {
      this.tlb.flushAll()
      this.#forgetPage()
    })
    options.physical.onHostWrite((address, length) => this.code.wrote(address, length))
    this.#fetcher = new CodeFetcher(this.state, this.memory, this.tlb, this.code)
    const helpers = helperFunctions(options.memory)
    const threshold = options.translateAfter ?? TRANSLATE_AFTER
    if (threshold > 0) {
      this.translator = new Translator({
        threshold, instructions: () => this.instructionCount, helper: options.translationHelper, state: this.state, memory: options.memory, code: this.code, flat: options.flat, helpers, symbol: options.symbol,
        findPage: (distance) => this.#fetcher.findPage(distance), mapPage: (linear) => this.#mapPage(linear), forgetChains: () => this.tlb.forgetChains(),
        onTranslated: trace?.translated && ((region) => trace.translated!(this, region)),
        onDropped: trace?.dropped && ((why, rip) => trace.dropped!(this, why, rip)),
      })
    }
    this.#wasm = instantiateInterpreter(options.memory, helpers, {
      slow: (record, access) => this.#slow(record, access),
      commit: () => this.#guard(undefined, () => this.memory.commit()),
      raise: (vector, errorCode) => void (this.#fault ??= new GuestFault(vector, errorCode)),
      host: (number, record) => this.#host(number, record),
      lookup: () => this.#lookup(),
      hot: (record) => this.translator?.hot(record) ?? record,
      enter: this.translator?.enter ?? (() => 0),
    })
    this.#instruction = new InstructionView(this.state, this.#wasm, this.code, () => this.#takeFault())
    this.reset()
  }

  get instructionCount(): number {
    return this.#retired + this.#budget - this.#fuel
  }

  get #fuel(): number {
    return this.state.u32(L.FUEL) | 0
  }

  reset(): void {
    resetState(this, 'power-on')
    this.#clearEvents()
  }

  #clearEvents(): void {
    this.#fault = this.#left = undefined
    this.#inhibited = this.#halted = this.#shutdown = this.#nmi = this.#nmiBlocked = this.#initPending = false
    this.#sipiVector = -1
    this.#debugInhibited = this.#resumeLoaded = this.#stepSuppressed = false
    this.#debugHits = this.#debugTrap = 0
    this.#endShadow()
    this.#breakpoints.update()
    // Only the bootstrap processor starts at the reset vector; the others wait for a start-up IPI (SDM vol. 3, 10.4).
    this.#waitForSipi = this.id !== 0
    this.modeChanged()
    this.pagingChanged()
    this.tlb.flushAll()
  }

  // Signals from the interrupt fabric

  interruptPending(): void {
    this.state.setU32(L.INTERRUPT_PENDING, 1)
    if (this.state.flag(L.FLAG_IF)) this.stop()
  }

  nmi(): void {
    this.#nmi = true
    this.stop()
  }

  /** System management mode is absent: an SMI is ignored, as with SMM locked away by firmware. */
  smi(): void {}

  init(): void {
    this.#initPending = true
    this.#sipiVector = -1
    this.stop()
  }

  /** A start-up IPI may follow its INIT before this processor has had a turn to take that. */
  sipi(vector: number): void {
    if (!this.#waitForSipi && !(this.#initPending && this.id !== 0)) return
    this.#sipiVector = vector & 0xff
    this.stop()
  }

  /** Ends the running slice at the next control transfer. */
  stop(): void {
    const fuel = this.#fuel
    if (fuel < 0) return
    this.#budget -= fuel + 1
    this.state.setU32(L.FUEL, -1)
  }

  // SystemContext

  tsc(): bigint {
    this.readTsc()
    return this.state.u64(L.HOST_VALUE)
  }

  readTsc(): void {
    const { state } = this
    const ticks = Math.floor(this.clock.now() * this.#tscPerNanosecond)
    const low = (ticks >>> 0) + this.#tscOffsetLow
    state.setU32(L.HOST_VALUE, low)
    state.setU32(L.HOST_VALUE + 4, Math.floor(ticks / 0x100000000) + this.#tscOffsetHigh + (low > 0xffffffff ? 1 : 0))
  }

  setTsc(value: bigint): void {
    const offset = BigInt.asUintN(64, value - BigInt(Math.floor(this.clock.now() * this.#tscPerNanosecond)))
    this.#tscOffsetLow = Number(offset & 0xffffffffn)
    this.#tscOffsetHigh = Number(offset >> 32n)
  }

  modeChanged(): void {
    const { state } = this
    state.setU32(L.CODE_MODE, codeMode(state))
    state.setU32(L.TLB_BASE, state.base + L.TLB + privilegeSet(state) * L.TLB_SET_BYTES)
    state.setU64(L.STACK_MASK, stackMask(state))
    state.setU32(L.UNITS, usableUnits(state))
    state.setU64(L.RIP_MASK, state.mode64 ? 0xffffffffffffffffn : 0xffffffffn)
    state.setU64(L.CANONICAL_SHIFT, state.cr4 & (1 << 12) ? 7n : 16n)
    this.#forgetPage()
  }

  privilegeChanged(): void {
    const { state } = this
    state.setU32(L.TLB_BASE, state.base + L.TLB + privilegeSet(state) * L.TLB_SET_BYTES)
    this.#forgetPage()
  }

  #forgetPage(): void {
    this.state.setU32(L.PAGE_LINEAR, 0xffffffff)
    this.state.setU32(L.PAGE_LINEAR + 4, 0xffffffff)
  }

  pagingChanged(): boolean {
    this.#forgetPage()
    this.trace?.paging?.(this)
    return this.walker.configure(pagingControl(this.state, this.model.physicalAddressBits))
  }

  inhibitInterrupts(debugToo = false): void {
    this.#inhibited = true
    this.#debugInhibited = debugToo
    if (this.state.u32(L.INTERRUPT_PENDING) || this.#nmi) this.stop()
  }

  interruptsMayFlow(): void {
    if (this.state.u32(L.INTERRUPT_PENDING) && this.state.flag(L.FLAG_IF)) this.stop()
  }

  leave(reason: Leave): void {
    this.#left = reason
  }

  debugChanged(): void {
    const watched = this.#breakpoints.watching
    this.#breakpoints.update()
    if (watched || this.#breakpoints.watching) this.tlb.flushAll()
    this.stop()
  }

  resumeLoaded(): void {
    this.#resumeLoaded = true
    this.stop()
  }

  pause(): boolean {
    if (this.#yieldOnPause) this.stop()
    return this.#yieldOnPause
  }

  suppressStep(): void {
    this.#stepSuppressed = true
  }

  portAccessed(port: number, size: number): void {
    if (this.#breakpoints.armed) this.#debugHits |= this.#breakpoints.port(port, size)
  }

  interceptsChanged(): void {
    this.code.flush()
  }

  // Called by generated code

  #guard<T>(otherwise: T, action: () => T): T {
    try {
      return action()
    } catch (thrown) {
      return this.#caught(thrown, otherwise)
    }
  }

  /** Keeps what was thrown for when generated code is left. */
  #caught<T>(thrown: unknown, result: T): T {
    if (thrown instanceof GuestFault) this.#fault ??= thrown
    else this.#failure = thrown
    return result
  }

  #slow(record: number, access: number): number {
    if (this.#fault) return 0
    try {
      const { view } = this.state
      const segment = access & R.SLOW_STACK ? L.segment(L.SEG_SS) : view.getUint16(record + R.R_SEGMENT, true)
      const address = this.memory.slow(access, (view.getUint8(record + R.R_FLAGS) & R.RECORD_STACK) !== 0, segment)
      if (address === 0) this.#fault = this.memory.takeFault()
      return address
    } catch (thrown) {
      return this.#caught(thrown, 0)
    }
  }

  /** For translated code, which only asks: no fault of the guest's comes of it. */
  #mapPage(linear: bigint): CodePageId | undefined {
    const cr2 = this.state.u64(L.CR2)
    try {
      return this.#fetcher.mapPage(linear)
    } catch (thrown) {
      if (!(thrown instanceof GuestFault)) this.#failure = thrown
      this.state.setU64(L.CR2, cr2)
      return undefined
    }
  }

  #takeFault(): GuestFault | undefined {
    const fault = this.#fault
    this.#fault = undefined
    return fault
  }

  #host(number: number, record: number): number {
    try {
      if (number === HOST_CROSS_PAGE) return this.#crossPage(record)
      const instruction = this.#instruction.at(record)
      if (number === HOST_INTERCEPT) return this.#intercept(instruction)
      return HOSTS[number]!(this, instruction) ?? R.STATUS_NEXT
    } catch (thrown) {
      return this.#caught(thrown, R.STATUS_FAULT)
    }
  }

  #intercept(instruction: HostInstruction): number {
    const { variant } = this.#instruction
    const event = describeIntercept(this, instruction, variant)
    if (!event) return executeIntercepted(this, instruction, variant!) ?? R.STATUS_NEXT
    this.#left = { kind: 'intercept', event }
    this.state.rip = instruction.rip
    return R.STATUS_LEAVE
  }

  /** Finds or decodes the record at state.rip. 0: a fault was recorded. */
  #lookup(): number {
    try {
      return this.#fetcher.lookup()
    } catch (thrown) {
      return this.#caught(thrown, 0)
    }
  }

  #crossPage(record: number): number {
    const offset = this.state.view.getUint16(record + R.R_OFFSET, true)
    this.#fetcher.crossPage(offset)
    return R.STATUS_STEP
  }

  // Running

  run(instructions: number): VcpuExit {
    this.#begin(instructions)
    for (;;) {
      if (this.state.u32(L.KICK)) this.#kicked()
      const exit = this.#boundary()
      if (exit) return this.#end(exit)
      if (this.#fuel < 0) return this.#end({ reason: 'slice' })
      const left = this.#execute()
      if (this.#failure !== undefined) {
        const failure = this.#failure
        this.#failure = undefined
        throw failure
      }
      const event = this.#afterExecution(left)
      if (event) return this.#end(event)
    }
  }

  /** Another thread left something to look at. Cleared before it is looked at, so that what comes meanwhile kicks again. */
  #kicked(): void {
    this.state.clearKick()
    this.#onKick?.()
  }

  /** Exactly one instruction, or one iteration of a string instruction: for debuggers and comparisons with other CPUs. */
  step(): VcpuExit {
    this.#single = true
    try {
      return this.run(1)
    } finally {
      this.#single = false
    }
  }

  #begin(instructions: number): void {
    this.translator?.collect()
    this.state.setU32(L.FUEL, instructions - 1)
    this.#budget = instructions - 1
  }

  #end(exit: VcpuExit): VcpuExit {
    this.#retired += this.#budget - this.#fuel
    this.#budget = 0
    this.state.setU32(L.FUEL, 0)
    return exit
  }

  /** Everything that happens between instructions: INIT, SIPI, NMI, interrupts, halt. */
  #boundary(): VcpuExit | undefined {
    const { state } = this
    if (this.#initPending) {
      const sipiVector = this.#sipiVector
      resetState(this, 'init')
      this.#clearEvents()
      this.#sipiVector = sipiVector
    }
    if (this.#waitForSipi) {
      if (this.#sipiVector < 0) return { reason: 'halt' }
      resetState(this, this.#sipiVector)
      this.modeChanged()
      this.#waitForSipi = false
      this.#sipiVector = -1
    }
    if (this.#shutdown) return { reason: 'shutdown' }
    if (!this.#inhibited && !this.#shadowed) {
      if (this.#nmi && !this.#nmiBlocked) {
        this.#nmi = false
        this.#nmiBlocked = true
        this.#halted = false
        return this.#deliver(2, -1, 'nmi')
      }
      if (state.u32(L.INTERRUPT_PENDING) && state.flag(L.FLAG_IF)) {
        state.setU32(L.INTERRUPT_PENDING, 0)
        if (this.#interrupts.pending()) {
          const vector = this.#interrupts.acknowledge()
          if (this.#interrupts.pending()) state.setU32(L.INTERRUPT_PENDING, 1)
          if (vector >= 0) {
            this.#halted = false
            return this.#deliver(vector, -1, 'interrupt')
          }
        }
      }
    }
    if (this.#halted && this.#wakes?.()) this.#halted = false
    return this.#halted ? { reason: 'halt' } : undefined
  }

  /** The next instruction is the one behind an STI. */
  get #shadowed(): boolean {
    const { state } = this
    return state.u32(L.INTERRUPT_SHADOW) === state.u32(L.RIP) && state.u32(L.INTERRUPT_SHADOW + 4) === state.u32(L.RIP + 4)
  }

  #endShadow(): void {
    this.state.setU32(L.INTERRUPT_SHADOW, 0xffffffff)
    this.state.setU32(L.INTERRUPT_SHADOW + 4, 0xffffffff)
  }

  #execute(): number {
    const { state } = this
    const stepping = this.#single || this.#inhibited || this.#shadowed || this.#breakpoints.armed || state.flag(L.FLAG_TF) || this.trace?.instruction !== undefined
    if (stepping) return this.#step()
    // A control transfer to state.rip: generated code knows most pages, and asks for the others.
    state.setU32(L.PAGE_RIP, state.u32(L.RIP))
    state.setU32(L.PAGE_RIP + 4, state.u32(L.RIP + 4))
    this.#forgetPage()
    return this.#wasm.run(state.base, state.base + L.ENTRY_RECORD)
  }

  /** Executes one instruction and notes the debug trap that follows it (SDM vol. 3, 18.3.1). */
  #step(): number {
    const { state } = this
    const waited = this.#debugInhibited
    this.#inhibited = this.#debugInhibited = this.#resumeLoaded = this.#stepSuppressed = false
    this.#endShadow()
    if (!waited) this.#debugHits = 0
    const resume = state.flag(L.FLAG_RF)
    const single = state.flag(L.FLAG_TF)
    if (this.#breakpoints.armed && !resume && !waited) {
      this.#debugTrap = this.#breakpoints.execute(BigInt.asUintN(state.mode64 ? 64 : 32, state.segBase(L.SEG_CS) + state.rip))
      if (this.#debugTrap) return R.LEFT_AT_RIP
    }
    const fuel = this.#fuel
    const budget = this.#budget
    const ready = this.#guard(false, () => {
      this.#fetcher.stepHere()
      return true
    })
    if (!ready) return R.LEFT_AT_RIP
    this.trace?.instruction?.(this)
    state.setU32(L.FUEL, 0)
    const left = this.#wasm.run(state.base, state.base + L.STEP_RECORDS)
    // One instruction retired: the slice goes on below where it stood.
    state.setU32(L.FUEL, fuel - 1)
    if (this.#budget !== budget) {
      this.#budget = budget
      this.stop()
    }
    if (this.#fault || this.#failure !== undefined || this.#left?.kind === 'intercept') return left
    if (resume && !this.#resumeLoaded) state.setFlag(L.FLAG_RF, false)
    // After a load of SS the trap waits for one more instruction.
    if (!this.#debugInhibited) this.#debugTrap = this.#debugHits | (single && !this.#stepSuppressed ? DR6_BS : 0)
    return left
  }

  #afterExecution(left: number): VcpuExit | undefined {
    const { state } = this
    if (left === R.LEFT_AT_RECORD) {
      const record = state.u32(L.CURRENT_RECORD)
      this.#instruction.at(record).leaveAt(0)
    }
    const fault = this.#takeFault()
    if (fault) {
      this.#left = undefined
      return this.#deliver(fault.vector, fault.errorCode, 'fault')
    }
    const reason = this.#left
    this.#left = undefined
    this.#halted = reason?.kind === 'halt'
    this.#wakes = reason?.kind === 'halt' ? reason.until : undefined
    // A halted CPU is past the one instruction that STI or a load of SS held interrupts off for: STI; HLT must wake.
    if (this.#halted) this.#inhibited = this.#debugInhibited = false
    if (this.#debugTrap) return this.#trap()
    if (!reason || reason.kind === 'halt') return undefined
    if (reason.kind === 'shutdown') {
      this.#shutdown = true
      return { reason: 'shutdown' }
    }
    return { reason: 'intercept', event: reason.event }
  }

  /** #DB for what `#step` noted. Entering the handler clears DR7.GD. */
  #trap(): VcpuExit | undefined {
    const { state } = this
    state.setU32(L.DR + 48, ((state.u32(L.DR + 48) & ~DR6_BREAKPOINTS) | this.#debugTrap) >>> 0)
    state.setU32(L.DR + 56, (state.u32(L.DR + 56) & ~DR7_GD) >>> 0)
    this.#debugTrap = 0
    this.#halted = false
    return this.#deliver(1, -1, 'trap')
  }

  #deliver(vector: number, errorCode: number, kind: GuestEvent['kind']): VcpuExit | undefined {
    this.exceptionCounts[vector]!++
    // A handler whose own first instruction faults would keep the slice from ever ending.
    this.#budget -= EVENT_COST
    this.state.setU32(L.FUEL, this.#fuel - EVENT_COST)
    if ((kind === 'fault' || kind === 'trap') && this.intercepts.exceptions & (1 << vector)) {
      return { reason: 'intercept', event: { kind: 'exception', vector, errorCode: errorCode < 0 ? undefined : errorCode, address: this.state.u64(L.CR2) } }
    }
    if (deliverLong(this, vector, errorCode, kind, this.state.u32(L.RIP), this.state.u32(L.RIP + 4))) return undefined
    if (deliverEvent(this, { vector, errorCode, kind, returnRip: this.state.rip })) return undefined
    this.#shutdown = true
    return { reason: 'shutdown' }
  }

  /** IRET unblocks NMIs. */
  nmiDone(): void {
    this.#nmiBlocked = false
  }

  /** A model-specific register as RDMSR sees it; undefined where RDMSR would fault. */
  readMsr(index: number): bigint | undefined {
    return readMsr(this, index)
  }

  /** Writes one as WRMSR would, for boards that start a kernel without firmware and for monitors; false where WRMSR would fault. */
  writeMsr(index: number, value: bigint): boolean {
    return writeMsr(this, index, value)
  }

  getRegisters(): VcpuRegisters {
    return readRegisters(this.state, this.apic.tpr)
  }

  setRegisters(registers: VcpuRegisters): void {
    writeRegisters(this, registers)
    this.#halted = this.#shutdown = this.#waitForSipi = false
    this.modeChanged()
    this.pagingChanged()
    this.tlb.flushAll()
  }
}
