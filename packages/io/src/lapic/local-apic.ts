import type { AccessSize, BusDevice, Clock, InterruptLine, InterruptSource, IoFault, Resettable, Snapshotable, VcpuSignals } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { isAddressed } from './address.ts'
import type { ApicAddress } from './address.ts'
import type { ApicBus, ApicBusAgent, ExternalInterruptController } from './apic-bus.ts'
import { ApicTimer } from './apic-timer.ts'
import { sendIpi } from './ipi.ts'
import * as spec from './spec.ts'
import { checkLocalApicState, LAPIC_STATE_VERSION, type LocalApicState } from './state.ts'
import { VectorSet } from './vector-set.ts'

export interface LocalApicOptions {
  /** APIC ID at power-on; in x2APIC mode all 32 bits, in xAPIC mode the low byte. */
  readonly id: number
  /** Boot-strap processor: bit 8 of IA32_APIC_BASE. */
  readonly bootstrap: boolean
  readonly bus: ApicBus
  readonly clock: Clock
  readonly signals: VcpuSignals
  /** The vCPU's time-stamp counter now, and its frequency in Hz. */
  readonly tsc: () => bigint
  readonly tscFrequency: number
  /** Timer input in Hz; default 1 GHz. */
  readonly timerFrequency?: number
  /** Answers ExtINT acknowledges. Absent: no 8259A on the board. */
  readonly pic?: ExternalInterruptController
  /** Bits of a physical address, for IA32_APIC_BASE; default 40. */
  readonly physicalAddressBits?: number
  /** The page moved, or the APIC was switched on, off or to x2APIC (`page` is then undefined). */
  readonly onBaseChange?: (page: number | undefined) => void
  /** Something that decides who reaches it, or its priority, may have changed. */
  readonly onUpdate?: (apic: LocalApic) => void
}

/**
 * The local APIC of one vCPU, as xAPIC page (it is a BusDevice of 4 KiB) and as x2APIC MSRs. It is the vCPU's
 * InterruptSource, the 8259A's requests included. `pending()` reads one field.
 */
export class LocalApic implements BusDevice, InterruptSource, ApicBusAgent, ApicAddress, Snapshotable<LocalApicState>, Resettable {
  readonly name: string
  readonly length: number = spec.APIC_PAGE_SIZE
  readonly snapshotVersion: number = LAPIC_STATE_VERSION
  /** Results of the last successful readMsr, unsigned halves. */
  msrLow = 0
  msrHigh = 0
  /** Local interrupt pins. LINT0 is where the 8259A's INT goes, LINT1 is NMI. */
  readonly lint0: InterruptLine = { set: (asserted) => this.#setLint0(asserted) }
  readonly lint1: InterruptLine = { set: (asserted) => this.#setLint1(asserted) }

  readonly #options: LocalApicOptions
  readonly #signals: VcpuSignals
  readonly #timer: ApicTimer
  readonly #irr = new VectorSet()
  readonly #isr = new VectorSet()
  readonly #tmr = new VectorSet()
  readonly #lvt: number[] = [0, 0, 0, 0, 0, 0]
  #base = 0n
  #id = 0
  #tpr = 0
  #ldr = 0
  #dfr = 0
  #svr = 0
  #esr = 0
  #errors = 0
  #icrLow = 0
  #icrHigh = 0
  #lint0 = false
  #lint1 = false
  #extInt = false
  /** What pending() answers. */
  #pending = false

  constructor(options: LocalApicOptions) {
    this.name = `local-apic-${options.id}`
    this.#options = options
    this.#signals = options.signals
    const { clock, tsc, tscFrequency, timerFrequency: frequency = 1e9 } = options
    this.#timer = new ApicTimer({ clock, frequency, tsc, tscFrequency }, () => this.#local(spec.LVT_TIMER_INDEX))
    options.bus.attach(this)
    this.reset()
  }

  get id(): number { return this.x2apic ? this.#options.id : this.#id }
  /** Globally enabled (IA32_APIC_BASE bit 11). */
  get enabled(): boolean { return (this.#base & BigInt(spec.APIC_BASE_ENABLE)) !== 0n }
  get x2apic(): boolean { return (this.#base & BigInt(spec.APIC_BASE_X2APIC)) !== 0n }
  /** Logical destination: the register, or what x2APIC mode derives from the ID. */
  get logicalId(): number { return this.x2apic ? this.#logicalId() : this.#ldr }
  get format(): number { return this.#dfr }
  /** Physical address of the register page, undefined when it is not decoded. */
  get page(): number | undefined { return this.enabled && !this.x2apic ? Number(this.#base & ~0xfffn) : undefined }
  get acceptsFixed(): boolean { return this.enabled && this.#softwareEnabled }
  get #softwareEnabled(): boolean { return (this.#svr & spec.SVR_ENABLE) !== 0 }

  /** Processor priority: the higher of TPR and the class in service (11.8.3.1). */
  get #ppr(): number {
    const served = this.#isr.highest & 0xf0
    return this.#isr.highest < 0 || this.#tpr >> 4 >= served >> 4 ? this.#tpr : served
  }

  get priority(): number {
    return Math.max(this.#ppr, this.#irr.highest & 0xf0 & ~(this.#irr.highest >> 31))
  }

  pending(): boolean {
    return this.#pending
  }

  acknowledge(): number {
    const vector = this.#irr.highest
    if (vector >= 0 && vector >> 4 > this.#ppr >> 4) {
      this.#irr.delete(vector)
      this.#isr.add(vector)
      this.#update()
      return vector
    }
    if (!this.#externalPending()) return -1
    this.#extInt = false
    const external = this.#options.pic?.acknowledge() ?? -1
    this.#update()
    return external
  }

  /** CR8 is TPR bits 7..4 (11.8.6). */
  readCr8(): number {
    return this.#tpr >> 4
  }

  writeCr8(value: number): void {
    this.#tpr = (value & 0xf) << 4
    this.#update()
  }

  /** Does a message's destination mean this APIC (11.6.2)? */
  matches(destination: number, logical: boolean): boolean {
    return isAddressed(this, destination, logical)
  }

  /** Takes a message meant for this APIC, whatever its destination said. */
  accept(deliveryMode: number, vector: number, level: boolean): void {
    if (!this.enabled) return
    switch (deliveryMode) {
      case spec.DELIVERY_FIXED:
      case spec.DELIVERY_LOWEST:
        if (this.#softwareEnabled) this.#request(vector, level)
        break
      case spec.DELIVERY_SMI:
        this.#signals.smi()
        break
      case spec.DELIVERY_NMI:
        this.#signals.nmi()
        break
      case spec.DELIVERY_INIT:
        this.init()
        this.#signals.init()
        break
      case spec.DELIVERY_STARTUP:
        this.#signals.sipi(vector)
        break
      case spec.DELIVERY_EXTINT:
        this.#extInt = true
        this.#update()
        break
    }
  }

  read(offset: number, size: AccessSize): number | IoFault {
    // Registers are 32 bits on 128-bit boundaries (11.4.1). Parts of one are undefined by the manual, and harmless.
    if ((offset & 15) + size > 4) return 'no-register'
    const value = this.#readRegister(offset & ~15)
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 1 ? 0xff : 0xffff)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4 || (offset & 15) !== 0) return 'no-register'
    this.#writeRegister(offset, value)
    return undefined
  }

  /**
   * RDMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, 800h-8FFh. True with the value in msrLow/msrHigh; false: #GP.
   */
  readMsr(index: number): boolean {
    this.msrHigh = 0
    if (index === spec.MSR_IA32_APIC_BASE) return this.#msrResult(this.#base)
    if (index === spec.MSR_IA32_TSC_DEADLINE) return this.#msrResult(this.#timer.deadline)
    const offset = this.#x2apicOffset(index)
    if (offset < 0) return false
    switch (offset) {
      case spec.APIC_ICR_LOW:
        this.msrLow = this.#icrLow
        this.msrHigh = this.#icrHigh
        return true
      case spec.APIC_EOI:
      case spec.APIC_SELF_IPI:
      case spec.APIC_ICR_HIGH:
      case spec.APIC_DFR:
      case spec.APIC_APR:
      case spec.APIC_RRD:
        return false
    }
    if (!this.#exists(offset)) return false
    this.msrLow = this.#readRegister(offset)
    return true
  }

  /** WRMSR of the same registers, halves unsigned. False: #GP (reserved bits, read-only registers, forbidden mode changes). */
  writeMsr(index: number, low: number, high: number): boolean {
    if (index === spec.MSR_IA32_APIC_BASE) return this.#writeBase((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
    if (index === spec.MSR_IA32_TSC_DEADLINE) {
      this.#timer.writeDeadline((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0))
      return true
    }
    const offset = this.#x2apicOffset(index)
    if (offset === spec.APIC_ICR_LOW) {
      if ((low & ~spec.ICR_WRITABLE) !== 0) return false
      this.#icrHigh = high >>> 0
      this.#sendIpi(low >>> 0)
      return true
    }
    if (offset < 0 || high !== 0) return false
    const lvt = spec.LVT_OFFSETS.indexOf(offset)
    if (lvt >= 0) {
      if ((low & ~(spec.LVT_WRITABLE[lvt] | spec.LVT_DELIVERY_STATUS | spec.LVT_REMOTE_IRR)) !== 0) return false
    } else {
      switch (offset) {
        case spec.APIC_TPR: if (low >>> 0 > 0xff) return false; break
        case spec.APIC_SVR: if ((low & ~spec.SVR_WRITABLE) !== 0) return false; break
        case spec.APIC_EOI: case spec.APIC_ESR: if (low !== 0) return false; break
        case spec.APIC_TIMER_DIVIDE: if ((low & ~0xb) !== 0) return false; break
        case spec.APIC_TIMER_INITIAL: break
        case spec.APIC_SELF_IPI:
          if (low >>> 0 > 0xff) return false
          this.#sendSelf(low & 0xff)
          return true
        default: return false
      }
    }
    this.#writeRegister(offset, low >>> 0)
    return true
  }

  /** State after INIT: as after power-on but ID and IA32_APIC_BASE stay (11.4.7.3). */
  init(): void {
    this.#tpr = 0
    this.#ldr = 0
    this.#dfr = spec.DFR_FLAT
    this.#svr = 0xff
    this.#irr.clear()
    this.#isr.clear()
    this.#tmr.clear()
    this.#esr = 0
    this.#errors = 0
    this.#icrLow = 0
    this.#icrHigh = 0
    this.#lvt.fill(spec.LVT_MASKED)
    this.#extInt = false
    this.#timer.reset()
    this.#update()
  }

  reset(): void {
    const before = this.page
    this.#base = BigInt(spec.APIC_DEFAULT_BASE | spec.APIC_BASE_ENABLE | (this.#options.bootstrap ? spec.APIC_BASE_BSP : 0)) & 0xffff_ffffn
    this.#id = this.#options.id & 0xff
    this.init()
    if (this.page !== before) this.#options.onBaseChange?.(this.page)
  }

  /** What firmware does before it starts a system that knows only the 8259A: APIC on, LINT0 is ExtINT, LINT1 is NMI (11.9, MP specification 3.6.2.2). */
  enterVirtualWireMode(): void {
    this.#writeRegister(spec.APIC_SVR, spec.SVR_ENABLE | 0xff)
    this.#writeRegister(spec.APIC_LVT_LINT0, spec.DELIVERY_EXTINT << 8)
    this.#writeRegister(spec.APIC_LVT_LINT1, spec.DELIVERY_NMI << 8)
  }

  save(): LocalApicState {
    const timer = this.#timer
    return {
      base: this.#base, id: this.#id, tpr: this.#tpr, ldr: this.#ldr, dfr: this.#dfr, svr: this.#svr,
      isr: this.#isr.save(), tmr: this.#tmr.save(), irr: this.#irr.save(), esr: this.#esr, errors: this.#errors,
      icrLow: this.#icrLow, icrHigh: this.#icrHigh, lvt: [...this.#lvt],
      timerInitial: timer.initial, timerStart: timer.start, timerDivide: timer.divide, tscDeadline: timer.deadline,
      lint0: this.#lint0, lint1: this.#lint1, extInt: this.#extInt
    }
  }

  restore(state: LocalApicState): void {
    const s = checkLocalApicState(state, this.name)
    if (!this.#validBase(s.base) || (s.base & 0xc00n) === 0x400n) throw new CodedError('bad-snapshot', `${this.name}: IA32_APIC_BASE has reserved bits set`)
    const before = this.page
    this.#base = s.base
    this.#id = s.id
    this.#tpr = s.tpr
    this.#ldr = s.ldr & 0xff00_0000
    this.#ldr >>>= 0
    this.#dfr = (s.dfr | spec.DFR_CLUSTER) >>> 0
    this.#svr = s.svr & spec.SVR_WRITABLE
    this.#isr.restore(s.isr)
    this.#tmr.restore(s.tmr)
    this.#irr.restore(s.irr)
    this.#esr = s.esr
    this.#errors = s.errors
    this.#icrLow = s.icrLow & spec.ICR_WRITABLE
    this.#icrHigh = s.icrHigh
    for (let index = 0; index < 6; index++) this.#lvt[index] = s.lvt[index] & (spec.LVT_WRITABLE[index] | spec.LVT_REMOTE_IRR)
    this.#lint0 = s.lint0
    this.#lint1 = s.lint1
    this.#extInt = s.extInt
    this.#timer.restore(s.timerDivide, s.timerInitial, s.timerStart, s.tscDeadline)
    const timer = this.#lvt[spec.LVT_TIMER_INDEX]
    this.#timer.restoreMode((timer >> spec.LVT_TIMER_MODE_SHIFT) & 3, (timer & spec.LVT_MASKED) !== 0)
    if (this.page !== before) this.#options.onBaseChange?.(this.page)
    this.#update()
  }

  #msrResult(value: bigint): true {
    this.msrLow = Number(value & 0xffff_ffffn)
    this.msrHigh = Number(value >> 32n)
    return true
  }

  #x2apicOffset(index: number): number {
    return this.x2apic && index >= spec.MSR_X2APIC_FIRST && index <= spec.MSR_X2APIC_LAST ? (index - spec.MSR_X2APIC_FIRST) << 4 : -1
  }

  /** LDR in x2APIC mode: cluster in bits 31..16, one bit in 15..0 (11.12.10.2). */
  #logicalId(): number {
    const id = this.#options.id
    return (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0
  }

  #exists(offset: number): boolean {
    if (offset >= spec.APIC_ISR && offset < spec.APIC_ESR) return true
    switch (offset) {
      case spec.APIC_ID: case spec.APIC_VERSION: case spec.APIC_TPR: case spec.APIC_APR: case spec.APIC_PPR: case spec.APIC_EOI: case spec.APIC_RRD:
      case spec.APIC_LDR: case spec.APIC_DFR: case spec.APIC_SVR: case spec.APIC_ESR: case spec.APIC_ICR_LOW: case spec.APIC_ICR_HIGH:
      case spec.APIC_TIMER_INITIAL: case spec.APIC_TIMER_CURRENT: case spec.APIC_TIMER_DIVIDE:
        return true
    }
    return spec.LVT_OFFSETS.includes(offset)
  }

  #readRegister(offset: number): number {
    if (offset >= spec.APIC_ISR && offset < spec.APIC_ESR) {
      const set = offset < spec.APIC_TMR ? this.#isr : offset < spec.APIC_IRR ? this.#tmr : this.#irr
      return set.words[(offset >> 4) & 7]
    }
    switch (offset) {
      case spec.APIC_ID: return this.x2apic ? this.#options.id : (this.#id << 24) >>> 0
      case spec.APIC_VERSION: return spec.APIC_VERSION_VALUE
      case spec.APIC_TPR: return this.#tpr
      case spec.APIC_PPR: return this.#ppr
      case spec.APIC_APR: case spec.APIC_RRD: case spec.APIC_EOI: return 0
      case spec.APIC_LDR: return this.x2apic ? this.#logicalId() : this.#ldr
      case spec.APIC_DFR: return this.#dfr
      case spec.APIC_SVR: return this.#svr
      case spec.APIC_ESR: return this.#esr
      case spec.APIC_ICR_LOW: return this.#icrLow
      case spec.APIC_ICR_HIGH: return this.#icrHigh
      case spec.APIC_TIMER_INITIAL: return this.#timer.initial
      case spec.APIC_TIMER_CURRENT: return this.#timer.current()
      case spec.APIC_TIMER_DIVIDE: return this.#timer.divide
    }
    const lvt = spec.LVT_OFFSETS.indexOf(offset)
    if (lvt >= 0) return this.#lvt[lvt]
    this.#error(spec.ESR_ILLEGAL_REGISTER)
    return 0
  }

  #writeRegister(offset: number, value: number): void {
    const lvt = spec.LVT_OFFSETS.indexOf(offset)
    if (lvt >= 0) {
      this.#writeLvt(lvt, value)
      return
    }
    switch (offset) {
      case spec.APIC_ID: this.#id = value >>> 24; break
      case spec.APIC_TPR: this.#tpr = value & 0xff; break
      case spec.APIC_EOI: this.#endOfInterrupt(); break
      case spec.APIC_LDR: this.#ldr = (value & 0xff00_0000) >>> 0; break
      case spec.APIC_DFR: this.#dfr = (value | spec.DFR_CLUSTER) >>> 0; break
      case spec.APIC_SVR:
        this.#svr = value & spec.SVR_WRITABLE
        // Software-disabled: every LVT entry is masked and stays so (11.4.7.2).
        if (!this.#softwareEnabled) for (let index = 0; index < 6; index++) this.#writeLvt(index, this.#lvt[index])
        break
      case spec.APIC_ESR:
        this.#esr = this.#errors
        this.#errors = 0
        break
      case spec.APIC_ICR_LOW: this.#sendIpi(value); break
      case spec.APIC_ICR_HIGH: this.#icrHigh = (value & 0xff00_0000) >>> 0; break
      case spec.APIC_TIMER_INITIAL: this.#timer.writeInitial(value); break
      case spec.APIC_TIMER_DIVIDE: this.#timer.writeDivide(value); break
      default:
        if (!this.#exists(offset)) this.#error(spec.ESR_ILLEGAL_REGISTER)
    }
    this.#update()
  }

  #writeLvt(index: number, value: number): void {
    const mask = this.#softwareEnabled ? 0 : spec.LVT_MASKED
    const kept = this.#lvt[index] & spec.LVT_REMOTE_IRR & ((value & spec.LVT_LEVEL) !== 0 ? -1 : 0)
    this.#lvt[index] = (value & spec.LVT_WRITABLE[index]) | mask | kept
    const entry = this.#lvt[index]
    if (index === spec.LVT_TIMER_INDEX) this.#timer.setMode((entry >> spec.LVT_TIMER_MODE_SHIFT) & 3, (entry & spec.LVT_MASKED) !== 0)
    if (index === spec.LVT_LINT0_INDEX && this.#lint0) this.#levelPin(index)
    if (index === spec.LVT_LINT1_INDEX && this.#lint1) this.#levelPin(index)
    this.#update()
  }

  #validBase(value: bigint): boolean {
    const bits = BigInt(this.#options.physicalAddressBits ?? 40)
    return (value & 0x2ffn) === 0n && value >> bits === 0n
  }

  /** Mode changes as figure 11-27 allows them. */
  #writeBase(value: bigint): boolean {
    if (!this.#validBase(value)) return false
    const mode = Number((value >> 10n) & 3n)
    const old = Number((this.#base >> 10n) & 3n)
    // Bit 0 is EXTD, bit 1 is EN: never EXTD without EN, no way from x2APIC back to xAPIC or from disabled straight to x2APIC.
    if (mode === 1 || (old === 3 && mode === 2) || (old === 0 && mode === 3)) return false
    const before = this.page
    this.#base = value
    if (mode === 0 && old !== 0) this.init()
    if (mode === 0) this.#id = this.#options.id & 0xff
    if (this.page !== before) this.#options.onBaseChange?.(this.page)
    this.#update()
    return true
  }

  #sendIpi(low: number): void {
    this.#icrLow = low & spec.ICR_WRITABLE
    if (!sendIpi(this.#options.bus, this, this.#icrLow, this.x2apic ? this.#icrHigh : this.#icrHigh >>> 24, this.x2apic)) {
      this.#error(spec.ESR_SEND_ILLEGAL_VECTOR)
    }
  }

  #sendSelf(vector: number): void {
    if (vector < 16) this.#error(spec.ESR_SEND_ILLEGAL_VECTOR)
    else this.accept(spec.DELIVERY_FIXED, vector, false)
  }

  #request(vector: number, level: boolean): void {
    if (vector < 16) {
      this.#error(spec.ESR_RECEIVE_ILLEGAL_VECTOR)
      return
    }
    this.#irr.add(vector)
    if (level) this.#tmr.add(vector)
    else this.#tmr.delete(vector)
    this.#update()
  }

  #endOfInterrupt(): void {
    const vector = this.#isr.highest
    if (vector < 0) return
    this.#isr.delete(vector)
    this.#update()
    if (!this.#tmr.has(vector)) return
    const lint0 = this.#lvt[spec.LVT_LINT0_INDEX]
    if ((lint0 & spec.LVT_REMOTE_IRR) !== 0 && (lint0 & 0xff) === vector) {
      this.#lvt[spec.LVT_LINT0_INDEX] = lint0 & ~spec.LVT_REMOTE_IRR
      if (this.#lint0) this.#levelPin(spec.LVT_LINT0_INDEX)
    }
    if ((this.#svr & spec.SVR_SUPPRESS_EOI_BROADCAST) === 0) this.#options.bus.broadcastEoi(vector)
  }

  #error(bit: number): void {
    this.#errors |= bit
    const entry = this.#lvt[spec.LVT_ERROR_INDEX]
    // An error vector that is itself illegal must not report itself for ever.
    if ((entry & 0xff) >= 16) this.#local(spec.LVT_ERROR_INDEX)
  }

  /** A local interrupt source fires. */
  #local(index: number): void {
    const entry = this.#lvt[index]
    if ((entry & spec.LVT_MASKED) !== 0 || !this.enabled) return
    const mode = index === spec.LVT_TIMER_INDEX || index === spec.LVT_ERROR_INDEX ? spec.DELIVERY_FIXED : (entry >> 8) & 7
    if (mode === spec.DELIVERY_EXTINT) return
    this.accept(mode, entry & 0xff, false)
  }

  #setLint0(asserted: boolean): void {
    if (asserted === this.#lint0) return
    this.#lint0 = asserted
    if (asserted) this.#pinRose(spec.LVT_LINT0_INDEX)
    this.#update()
  }

  #setLint1(asserted: boolean): void {
    if (asserted === this.#lint1) return
    this.#lint1 = asserted
    if (!asserted) return
    // With the APIC off the pin is NMI (11.4.3).
    if (!this.enabled) this.#signals.nmi()
    else this.#pinRose(spec.LVT_LINT1_INDEX)
  }

  #pinRose(index: number): void {
    const entry = this.#lvt[index]
    if ((entry & spec.LVT_LEVEL) !== 0 && ((entry >> 8) & 7) === spec.DELIVERY_FIXED) this.#levelPin(index)
    else this.#local(index)
  }

  /** A level-triggered fixed LINT0 requests while it is high and not in service. */
  #levelPin(index: number): void {
    const entry = this.#lvt[index]
    if ((entry & (spec.LVT_MASKED | spec.LVT_REMOTE_IRR)) !== 0 || (entry & spec.LVT_LEVEL) === 0 || ((entry >> 8) & 7) !== 0) return
    if (!this.acceptsFixed || (entry & 0xff) < 16) return
    this.#lvt[index] = entry | spec.LVT_REMOTE_IRR
    this.#request(entry & 0xff, true)
  }

  /** The 8259A asks: directly while the APIC is off, else through an unmasked ExtINT entry or message. */
  #externalPending(): boolean {
    if (this.#extInt) return true
    if (!this.#lint0 || this.#options.pic === undefined) return false
    if (!this.enabled) return true
    const entry = this.#lvt[spec.LVT_LINT0_INDEX]
    return (entry & spec.LVT_MASKED) === 0 && ((entry >> 8) & 7) === spec.DELIVERY_EXTINT
  }

  #update(): void {
    const vector = this.#irr.highest
    const pending = (vector >= 0 && vector >> 4 > this.#ppr >> 4) || this.#externalPending()
    const rose = pending && !this.#pending
    this.#pending = pending
    this.#options.onUpdate?.(this)
    if (rose) this.#signals.interruptPending()
  }
}
