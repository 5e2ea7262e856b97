import type { BusDevice, AccessSize, CharacterPort, Clock, InterruptLine, IoFault, Resettable, Snapshotable, Timer } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import * as spec from './spec.ts'
import { checkUart16550State, UART16550_STATE_VERSION } from './state.ts'
import type { Uart16550State } from './state.ts'

export interface Uart16550Options {
  /** Unique on the board; default `uart16550`. */
  readonly name?: string
  readonly line: InterruptLine
  readonly port: CharacterPort
  readonly clock: Clock
}

/**
 * A 16550A serial port (PC16550D). Characters leave the moment they are written, whatever the divisor: the transmitter is
 * never busy and the guest never waits. Reception obeys the FIFO; what does not fit stays with the CharacterPort.
 */
export class Uart16550 implements BusDevice, Resettable, Snapshotable<Uart16550State> {
  readonly name: string
  readonly length: number = spec.REGISTER_COUNT
  readonly snapshotVersion: number = UART16550_STATE_VERSION
  readonly #line: InterruptLine
  readonly #port: CharacterPort
  readonly #clock: Clock
  readonly #registers: ByteRegisters
  readonly #fifo: Uint8Array = new Uint8Array(spec.FIFO_SIZE)
  #head = 0
  #count = 0
  #ier = 0
  #fcr = 0
  #lcr = 0
  #mcr = 0
  #lsrErrors = 0
  #msrDelta = 0
  #scr = 0
  #dll = 0
  #dlm = 0
  #threPending = false
  #timeout = false
  #timeoutAt = -1
  #timer: Timer | undefined

  constructor(options: Uart16550Options) {
    this.name = options.name ?? 'uart16550'
    this.#line = options.line
    this.#port = options.port
    this.#clock = options.clock
    this.#registers = new ByteRegisters(this.name, this.length, (offset) => this.#read(offset), (offset, value) => this.#write(offset, value))
    this.#port.onData((bytes) => this.#receive(bytes))
  }

  read(offset: number, size: AccessSize): number | IoFault {
    return this.#registers.read(offset, size)
  }

  write(offset: number, size: AccessSize, value: number): IoFault | undefined {
    return this.#registers.write(offset, size, value)
  }

  /** Master reset (8.0, table I): the divisor latch and SCR are undefined there, zero here. */
  reset(): void {
    this.#ier = this.#fcr = this.#lcr = this.#mcr = this.#lsrErrors = this.#msrDelta = 0
    this.#scr = this.#dll = this.#dlm = 0
    this.#threPending = false
    this.#clearReceive()
    this.#update()
    this.#port.resume()
  }

  save(): Uart16550State {
    const receive = new Uint8Array(this.#count)
    for (let i = 0; i < receive.length; i++) receive[i] = this.#fifo[(this.#head + i) % spec.FIFO_SIZE]
    return {
      ier: this.#ier, fcr: this.#fcr, lcr: this.#lcr, mcr: this.#mcr, lsrErrors: this.#lsrErrors, msrDelta: this.#msrDelta,
      scr: this.#scr, dll: this.#dll, dlm: this.#dlm, threPending: this.#threPending, receive,
      timeout: this.#timeout, timeoutAt: this.#timeoutAt,
    }
  }

  restore(state: Uart16550State): void {
    const s = checkUart16550State(state, this.name)
    this.#ier = s.ier & spec.IER_MASK
    this.#fcr = s.fcr & spec.FCR_ENABLE ? s.fcr & 0xc9 : 0
    this.#lcr = s.lcr
    this.#mcr = s.mcr & spec.MCR_MASK
    this.#lsrErrors = s.lsrErrors & spec.LSR_ERRORS
    this.#msrDelta = s.msrDelta & 0x0f
    this.#scr = s.scr
    this.#dll = s.dll
    this.#dlm = s.dlm
    this.#threPending = s.threPending
    this.#head = 0
    this.#count = s.receive.length
    this.#fifo.set(s.receive)
    this.#timeout = s.timeout
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timeoutAt = s.timeoutAt
    if (this.#timeoutAt >= 0) this.#schedule()
    this.#update()
    if (this.#room() > 0) this.#port.resume()
  }

  #read(offset: number): number {
    const dlab = (this.#lcr & spec.LCR_DLAB) !== 0
    switch (offset) {
      case spec.RBR: return dlab ? this.#dll : this.#readReceiver()
      case spec.IER: return dlab ? this.#dlm : this.#ier
      case spec.IIR: return this.#readIir()
      case spec.LCR: return this.#lcr
      case spec.MCR: return this.#mcr
      case spec.LSR: return this.#readLsr()
      case spec.MSR: {
        const value = this.#modemLines() | this.#msrDelta
        this.#msrDelta = 0
        this.#update()
        return value
      }
      default: return this.#scr
    }
  }

  #write(offset: number, value: number): void {
    const dlab = (this.#lcr & spec.LCR_DLAB) !== 0
    switch (offset) {
      case spec.THR:
        if (dlab) this.#dll = value
        else this.#transmit(value)
        break
      case spec.IER:
        if (dlab) this.#dlm = value
        else this.#writeIer(value & spec.IER_MASK)
        break
      case spec.FCR: this.#writeFcr(value); break
      case spec.LCR: this.#lcr = value; break
      case spec.MCR: this.#writeMcr(value & spec.MCR_MASK); break
      case spec.SCR: this.#scr = value; break
      default: break // LSR is for factory tests, MSR read-only (8.5, 8.10)
    }
  }

  #transmit(value: number): void {
    // Writing THR resets the interrupt; the holding register empties again within this access, so an edge-triggered
    // controller must see the wire go down and up.
    this.#threPending = false
    this.#update()
    if (this.#mcr & spec.MCR_LOOP) this.#accept(value)
    else this.#port.write(Uint8Array.of(value))
    this.#threPending = true
    this.#update()
  }

  #writeIer(value: number): void {
    // Enabling ETBEI while THR is empty raises the interrupt at once (8.8 with 8.7): Linux's start_tx relies on it.
    if (value & ~this.#ier & spec.IER_ETBEI) this.#threPending = true
    this.#ier = value
    this.#update()
  }

  #writeFcr(value: number): void {
    // 8.6: changing FIFO mode clears both FIFOs; the other bits are only programmed together with bit 0.
    const enable = (value & spec.FCR_ENABLE) !== 0
    const toggled = enable !== ((this.#fcr & spec.FCR_ENABLE) !== 0)
    this.#fcr = enable ? value & 0xc9 : 0
    if (toggled || (enable && value & spec.FCR_CLEAR_RECEIVE)) this.#clearReceive()
    this.#update()
    this.#port.resume()
  }

  #writeMcr(value: number): void {
    const before = this.#modemLines()
    const left = this.#mcr & ~value & spec.MCR_LOOP
    this.#mcr = value
    const after = this.#modemLines()
    const changed = before ^ after
    if (changed & spec.MSR_CTS) this.#msrDelta |= spec.MSR_DCTS
    if (changed & spec.MSR_DSR) this.#msrDelta |= spec.MSR_DDSR
    if (changed & before & spec.MSR_RI) this.#msrDelta |= spec.MSR_TERI
    if (changed & spec.MSR_DCD) this.#msrDelta |= spec.MSR_DDCD
    this.#update()
    if (left) this.#port.resume()
  }

  /** MSR bits 7..4: the peer is always there and ready; in loopback they are the MCR outputs (8.9). */
  #modemLines(): number {
    if (!(this.#mcr & spec.MCR_LOOP)) return spec.MSR_CTS | spec.MSR_DSR | spec.MSR_DCD
    return (this.#mcr & spec.MCR_RTS ? spec.MSR_CTS : 0) | (this.#mcr & spec.MCR_DTR ? spec.MSR_DSR : 0)
      | (this.#mcr & spec.MCR_OUT1 ? spec.MSR_RI : 0) | (this.#mcr & spec.MCR_OUT2 ? spec.MSR_DCD : 0)
  }

  #capacity(): number {
    return this.#fcr & spec.FCR_ENABLE ? spec.FIFO_SIZE : 1
  }

  #room(): number {
    return this.#mcr & spec.MCR_LOOP ? 0 : Math.max(0, this.#capacity() - this.#count)
  }

  /** CharacterPort listener: takes what fits. In loopback the receiver is disconnected from the wire. */
  #receive(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.#room())
    for (let i = 0; i < taken; i++) this.#push(bytes[i])
    if (taken > 0) {
      this.#restartTimeout()
      this.#update()
    }
    return taken
  }

  /** One character off the looped wire, which knows no flow control: overrun when full (8.5 bit 1). */
  #accept(value: number): void {
    const masked = value & (0xff >> (3 - (this.#lcr & spec.LCR_WORD_LENGTH)))
    if (this.#count < this.#capacity()) this.#push(masked)
    else {
      this.#lsrErrors |= spec.LSR_OE
      // Without FIFOs the new character replaces the unread one; with them it is lost in the shift register.
      if (!(this.#fcr & spec.FCR_ENABLE)) this.#fifo[this.#head] = masked
    }
    this.#restartTimeout()
  }

  #push(value: number): void {
    this.#fifo[(this.#head + this.#count) % spec.FIFO_SIZE] = value
    this.#count++
  }

  #readReceiver(): number {
    const value = this.#fifo[this.#head]
    if (this.#count === 0) return value
    this.#count--
    if (this.#count > 0) this.#head = (this.#head + 1) % spec.FIFO_SIZE
    this.#restartTimeout()
    this.#update()
    if (this.#count === 0) this.#port.resume()
    return value
  }

  #readLsr(): number {
    const value = (this.#count > 0 ? spec.LSR_DR : 0) | this.#lsrErrors | spec.LSR_THRE | spec.LSR_TEMT
    this.#lsrErrors = 0
    this.#update()
    return value
  }

  #readIir(): number {
    const source = this.#source()
    if (source === spec.IIR_THR_EMPTY) {
      this.#threPending = false
      this.#update()
    }
    return source | (this.#fcr & spec.FCR_ENABLE ? spec.IIR_FIFOS_ENABLED : 0)
  }

  /** The highest-priority enabled condition (table V). */
  #source(): number {
    if (this.#ier & spec.IER_ELSI && this.#lsrErrors) return spec.IIR_LINE_STATUS
    if (this.#ier & spec.IER_ERBFI && this.#count > 0) {
      const fifos = this.#fcr & spec.FCR_ENABLE
      if (!fifos || this.#count >= spec.FCR_TRIGGER_LEVELS[this.#fcr >> 6]) return spec.IIR_DATA_AVAILABLE
      if (this.#timeout) return spec.IIR_CHARACTER_TIMEOUT
    }
    if (this.#ier & spec.IER_ETBEI && this.#threPending) return spec.IIR_THR_EMPTY
    if (this.#ier & spec.IER_EDSSI && this.#msrDelta) return spec.IIR_MODEM_STATUS
    return spec.IIR_NONE
  }

  #update(): void {
    // In loopback OUT2's pin is inactive (8.9), so the PC's IRQ buffer is off.
    const connected = (this.#mcr & (spec.MCR_OUT2 | spec.MCR_LOOP)) === spec.MCR_OUT2
    this.#line.set(connected && this.#source() !== spec.IIR_NONE)
  }

  #clearReceive(): void {
    this.#head = this.#count = 0
    this.#fifo[0] = 0
    this.#restartTimeout()
  }

  #restartTimeout(): void {
    this.#timeout = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timeoutAt = -1
    if (this.#count === 0 || !(this.#fcr & spec.FCR_ENABLE)) return
    this.#timeoutAt = this.#clock.now() + spec.TIMEOUT_CHARACTERS * this.#characterTime()
    this.#schedule()
  }

  #schedule(): void {
    this.#timer = this.#clock.schedule(this.#timeoutAt, () => {
      this.#timer = undefined
      this.#timeoutAt = -1
      this.#timeout = true
      this.#update()
    })
  }

  /** Length of one character on the wire in ns (8.1, 8.3); a divisor of 0 counts as 1. */
  #characterTime(): number {
    const divisor = Math.max(1, this.#dll | (this.#dlm << 8))
    const bits = 1 + 5 + (this.#lcr & spec.LCR_WORD_LENGTH) + (this.#lcr & spec.LCR_PARITY_ENABLE ? 1 : 0) + (this.#lcr & spec.LCR_STOP_BITS ? 2 : 1)
    return Math.round((bits * 16 * divisor * 1e9) / spec.INPUT_CLOCK)
  }
}
