import type { BusDevice, Clock, InterruptLine, Resettable, Snapshotable, Timer } from '@entresol/interfaces'
import { ByteRegisters } from '../device/byte-registers.ts'
import { Ps2Keyboard } from './keyboard.ts'
import { translate } from './keys.ts'
import { Ps2Mouse } from './mouse.ts'
import * as spec from './spec.ts'
import { checkI8042State, I8042_STATE_VERSION } from './state.ts'
import type { I8042State } from './state.ts'

export interface I8042Options {
  /** IRQ1 and IRQ12. */
  readonly keyboardLine: InterruptLine
  readonly mouseLine: InterruptLine
  readonly clock: Clock
  /** Output port bit 1; the board lets A20 pass when this or port 92 asks for it. High after reset. */
  readonly onA20: (enabled: boolean) => void
  readonly onReset: () => void
}

type ControllerState = Omit<I8042State, 'keyboard' | 'mouse'>

function powerOn(): ControllerState {
  return {
    commandByte: spec.CCB_RESET, ram: new Uint8Array(32), outputPort: spec.OUTPUT_RESET, output: 0, outputFull: false, outputAux: false,
    lastWasCommand: false, command: 0, replies: [], breakSeen: false, nextAt: -1,
  }
}

/** PS/2 keyboard controller with a keyboard and a mouse attached. */
export class I8042 implements Resettable, Snapshotable<I8042State> {
  readonly snapshotVersion: number = I8042_STATE_VERSION
  /** Port 0x60. */
  readonly dataPort: BusDevice
  /** Port 0x64. */
  readonly commandPort: BusDevice
  readonly keyboard: Ps2Keyboard
  readonly mouse: Ps2Mouse
  readonly #options: I8042Options
  #s: ControllerState = powerOn()
  #timer: Timer | undefined

  constructor(options: I8042Options) {
    this.#options = options
    this.keyboard = new Ps2Keyboard(options.clock, () => this.#pump())
    this.mouse = new Ps2Mouse(() => this.#pump())
    this.dataPort = new ByteRegisters('i8042-data', 1, () => this.#readData(), (_, value) => this.#writeData(value))
    this.commandPort = new ByteRegisters('i8042-command', 1, () => this.#status(), (_, value) => this.#writeCommand(value))
  }

  reset(): void {
    this.#cancel()
    this.#s = powerOn()
    this.keyboard.reset()
    this.mouse.reset()
    this.#update()
    this.#options.onA20(true)
  }

  save(): I8042State {
    return { ...structuredClone(this.#s), keyboard: this.keyboard.save(), mouse: this.mouse.save() }
  }

  restore(state: I8042State): void {
    const { keyboard, mouse, ...controller } = checkI8042State(state, 'i8042')
    this.#cancel()
    this.#s = controller
    this.keyboard.restore(keyboard)
    this.mouse.restore(mouse)
    this.#options.onA20((controller.outputPort & spec.OUTPUT_A20) !== 0)
    this.#update()
    this.#pump()
  }

  #status(): number {
    const s = this.#s
    return (s.outputFull ? spec.STATUS_OBF : 0) | (s.commandByte & spec.CCB_SYS ? spec.STATUS_SYS : 0)
      | (s.lastWasCommand ? spec.STATUS_COMMAND : 0) | spec.STATUS_UNLOCKED | (s.outputFull && s.outputAux ? spec.STATUS_AUX_OBF : 0)
  }

  #readData(): number {
    const s = this.#s
    if (!s.outputFull) return s.output
    const value = s.output
    s.outputFull = false
    s.nextAt = this.#options.clock.now() + spec.BYTE_TIME
    this.#update()
    this.#pump()
    return value
  }

  #writeData(value: number): void {
    const s = this.#s
    s.lastWasCommand = false
    const command = s.command
    s.command = 0
    if (command >= 0x60 && command < 0x80) this.#writeRam(command & 0x1f, value)
    else if (command === spec.COMMAND_WRITE_OUTPUT_PORT) this.#writeOutputPort(value)
    else if (command === spec.COMMAND_WRITE_KEYBOARD_OUTPUT) this.#reply(value)
    else if (command === spec.COMMAND_WRITE_AUX_OUTPUT) this.#reply(value | 0x100)
    else if (command === spec.COMMAND_LOAD_PASSWORD) s.command = value === 0 ? 0 : command // taken up to its 0, not kept
    else if (command === spec.COMMAND_WRITE_AUX) {
      s.commandByte &= ~spec.CCB_AUX_DISABLE
      this.mouse.command(value)
    } else {
      s.commandByte &= ~spec.CCB_KEYBOARD_DISABLE
      this.keyboard.command(value)
    }
  }

  #writeCommand(command: number): void {
    const s = this.#s
    s.lastWasCommand = true
    s.command = 0
    if (command >= spec.COMMAND_PULSE) {
      if (!(command & spec.OUTPUT_NO_RESET)) this.#options.onReset()
      return
    }
    if (command >= 0x20 && command < 0x40) {
      this.#reply(command === 0x20 ? s.commandByte : s.ram[command & 0x1f])
      return
    }
    switch (command) {
      case spec.COMMAND_TEST_PASSWORD: this.#reply(spec.NO_PASSWORD); break
      case spec.COMMAND_DISABLE_AUX: this.#writeRam(0, s.commandByte | spec.CCB_AUX_DISABLE); break
      case spec.COMMAND_ENABLE_AUX: this.#writeRam(0, s.commandByte & ~spec.CCB_AUX_DISABLE); break
      case spec.COMMAND_TEST_AUX: case spec.COMMAND_TEST_KEYBOARD: this.#reply(spec.INTERFACE_TEST_PASSED); break
      case spec.COMMAND_SELF_TEST:
        this.#writeRam(0, s.commandByte | spec.CCB_SYS)
        this.#reply(spec.SELF_TEST_PASSED)
        break
      case spec.COMMAND_DISABLE_KEYBOARD: this.#writeRam(0, s.commandByte | spec.CCB_KEYBOARD_DISABLE); break
      case spec.COMMAND_ENABLE_KEYBOARD: this.#writeRam(0, s.commandByte & ~spec.CCB_KEYBOARD_DISABLE); break
      case spec.COMMAND_READ_INPUT_PORT: this.#reply(spec.INPUT_PORT); break
      case spec.COMMAND_READ_OUTPUT_PORT: this.#reply(this.#outputPort()); break
      case spec.COMMAND_READ_TEST_INPUTS: this.#reply(0); break
      case spec.COMMAND_DISABLE_A20: this.#writeOutputPort(s.outputPort & ~spec.OUTPUT_A20); break
      case spec.COMMAND_ENABLE_A20: this.#writeOutputPort(s.outputPort | spec.OUTPUT_A20); break
      case spec.COMMAND_LOAD_PASSWORD: case spec.COMMAND_WRITE_OUTPUT_PORT: case spec.COMMAND_WRITE_KEYBOARD_OUTPUT:
      case spec.COMMAND_WRITE_AUX_OUTPUT: case spec.COMMAND_WRITE_AUX: s.command = command; break
      default: if (command >= 0x60 && command < 0x80) s.command = command // others are ignored, as the firmware does
    }
  }

  #writeRam(address: number, value: number): void {
    if (address === 0) {
      this.#s.commandByte = value
      this.#update()
      this.#pump()
    } else this.#s.ram[address] = value
  }

  #outputPort(): number {
    const s = this.#s
    return (s.outputPort & ~(spec.OUTPUT_KEYBOARD_IRQ | spec.OUTPUT_AUX_IRQ))
      | (s.outputFull ? (s.outputAux ? spec.OUTPUT_AUX_IRQ : spec.OUTPUT_KEYBOARD_IRQ) : 0)
  }

  #writeOutputPort(value: number): void {
    const changed = this.#s.outputPort ^ value
    this.#s.outputPort = value | spec.OUTPUT_NO_RESET
    if (changed & spec.OUTPUT_A20) this.#options.onA20((value & spec.OUTPUT_A20) !== 0)
    if (!(value & spec.OUTPUT_NO_RESET)) this.#options.onReset()
  }

  /** A byte the controller itself puts into the output buffer, behind what the guest has not read yet. */
  #reply(value: number): void {
    if (this.#s.replies.length < 16) this.#s.replies.push(value)
    this.#pump()
  }

  /** Fills the output buffer when it is empty: controller replies first, then the keyboard, then the mouse. */
  #pump(): void {
    const s = this.#s
    if (s.outputFull) return
    const reply = s.replies.shift()
    if (reply !== undefined) {
      this.#load(reply & 0xff, reply > 0xff)
      return
    }
    const keyboard = !(s.commandByte & spec.CCB_KEYBOARD_DISABLE) && this.keyboard.hasOutput()
    const aux = !keyboard && !(s.commandByte & spec.CCB_AUX_DISABLE) && this.mouse.hasOutput()
    if (!keyboard && !aux) return
    if (this.#options.clock.now() < s.nextAt) {
      this.#timer ??= this.#options.clock.schedule(s.nextAt, () => {
        this.#timer = undefined
        this.#pump()
      })
      return
    }
    if (aux) this.#load(this.mouse.take(), true)
    else this.#loadKeyboard()
  }

  /** Set 2 to set 1 in the controller: the break prefix is swallowed and becomes bit 7 of the next code. */
  #loadKeyboard(): void {
    const s = this.#s
    while (this.keyboard.hasOutput()) {
      const value = this.keyboard.take()
      if (!(s.commandByte & spec.CCB_TRANSLATE)) {
        s.breakSeen = false
        this.#load(value, false)
        return
      }
      if (value === spec.BREAK_PREFIX) {
        s.breakSeen = true
        continue
      }
      const translated = translate(value) | (s.breakSeen ? 0x80 : 0)
      s.breakSeen = false
      this.#load(translated, false)
      return
    }
  }

  #load(value: number, aux: boolean): void {
    const s = this.#s
    s.output = value
    s.outputFull = true
    s.outputAux = aux
    this.#update()
  }

  #update(): void {
    const s = this.#s
    this.#options.keyboardLine.set(s.outputFull && !s.outputAux && (s.commandByte & spec.CCB_KEYBOARD_INTERRUPT) !== 0)
    this.#options.mouseLine.set(s.outputFull && s.outputAux && (s.commandByte & spec.CCB_AUX_INTERRUPT) !== 0)
  }

  #cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
