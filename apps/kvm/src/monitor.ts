import { screenText } from '@entresol/machine'
import type { Machine, MachineStats, VcpuStats } from '@entresol/machine'
import { CodedError } from '@entresol/kit'
import type { Steered } from './devices/create-devices.ts'

const INFO = 'info balloon|jit|registers|screen|stats|status'
const PROMPT = '(entresol) '

interface Command {
  readonly help: string
  run(argument: string): string | Promise<string>
}

/** The human monitor behind Ctrl-A C: the commands that look at and steer a running machine. */
export class Monitor {
  readonly #write: (text: string) => void
  readonly #commands: Readonly<Record<string, Command>>
  #line = ''

  constructor(machine: Machine, devices: Steered, write: (text: string) => void) {
    this.#write = write
    const done = (action: () => void | Promise<void>) => async (): Promise<string> => {
      await action()
      return ''
    }
    this.#commands = {
      help: { help: 'this list', run: () => this.#help() },
      info: { help: INFO, run: (what) => describe(machine, devices, what) },
      balloon: { help: 'balloon MIB: what the guest is to keep of its memory', run: (size) => balloon(devices, size) },
      sendkey: { help: 'sendkey KEY[-KEY...]: press and release on the virtio keyboard', run: (keys) => sendKeys(devices, keys) },
      stop: { help: 'pause the machine', run: done(() => machine.pause()) },
      cont: { help: 'continue', run: done(() => machine.resume()) },
      system_reset: { help: 'press the reset button', run: done(() => machine.reset()) },
      quit: { help: 'end the machine', run: done(() => machine.stop()) },
    }
  }

  #help(): string {
    return Object.entries(this.#commands).map(([name, { help }]) => `${name.padEnd(14)}${help}`).join('\n')
  }

  open(): void {
    this.#write(`\r\nEntresol monitor - type 'help' for a list\r\n${PROMPT}${this.#line}`)
  }

  input(bytes: Uint8Array): void {
    for (const char of new TextDecoder().decode(bytes)) {
      if (char === '\r' || char === '\n') {
        this.#write('\r\n')
        const line = this.#line.trim()
        this.#line = ''
        void this.#run(line)
      } else if (char === '\x7f' || char === '\b') {
        if (this.#line) this.#write('\b \b')
        this.#line = this.#line.slice(0, -1)
      } else if (char >= ' ') {
        this.#line += char
        this.#write(char)
      }
    }
  }

  async #run(line: string): Promise<void> {
    const [name = '', ...rest] = line.split(/\s+/)
    const command = this.#commands[name]
    const answer = name === '' ? '' : command ? await attempt(() => command.run(rest.join(' '))) : `unknown command: '${name}'; 'help' lists them`
    this.#write((answer ? `${answer.replaceAll('\n', '\r\n')}\r\n` : '') + PROMPT)
  }
}

/** What a command says, or why it could not. */
async function attempt(run: () => string | Promise<string>): Promise<string> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof CodedError) return error.message
    throw error
  }
}

function balloon(devices: Steered, size: string): string {
  const mib = Number(size)
  if (!devices.balloon) return NO_BALLOON
  if (size === '' || !(mib >= 0)) return 'balloon MIB'
  devices.balloon.target = Math.max(0, devices.memory - mib * 2 ** 20)
  return ''
}

function sendKeys({ keyboard }: Steered, keys: string): string {
  if (!keyboard) return 'no virtio keyboard: -device virtio-keyboard-pci'
  const names = keys.split('-').filter((key) => key !== '')
  for (const key of names) keyboard.key(key, true)
  for (const key of names.reverse()) keyboard.key(key, false)
  return ''
}

const NO_BALLOON = 'no balloon: -device virtio-balloon-pci'

function describe(machine: Machine, devices: Steered, what: string): string {
  switch (what) {
    case 'balloon': return devices.balloon ? `balloon: actual=${(devices.memory - devices.balloon.actual) / 2 ** 20}` : NO_BALLOON
    case 'registers': return machine.describeRegisters()
    case 'status': return `VM status: ${machine.running ? 'running' : 'paused'}`
    case 'stats': return statistics(machine.stats())
    case 'jit': return perCpu(machine.stats(), translation)
    case 'screen': return screen(machine)
    default: return INFO
  }
}

function screen({ display }: Machine): string {
  if (!display) return 'no display'
  const lines = screenText(display)
  if (!lines) return `graphics, ${display.width} x ${display.height}`
  return lines.join('\n').trimEnd()
}

const percent = (part: number, whole: number): string => `${whole ? ((part / whole) * 100).toFixed(1) : '0.0'} %`

/** `lines` of the machine, and of each CPU where there are several. */
function perCpu(stats: MachineStats, lines: (of: VcpuStats) => string[]): string {
  const each = stats.vcpus.length > 1 ? stats.vcpus.flatMap((vcpu, n) => [`CPU ${n}:`, ...lines(vcpu).map((line) => `  ${line}`)]) : []
  return [...lines(stats), ...each].join('\n')
}

const statistics = (stats: MachineStats): string => `memoryTouched: ${stats.memoryTouched}\n${perCpu(stats, counters)}`

function counters(of: VcpuStats): string[] {
  return Object.entries(of).filter(([name, value]) => name === 'events' || typeof value === 'number' && name !== 'memoryTouched')
    .map(([name, value]) => `${name}: ${typeof value === 'number' ? Math.round(value) : JSON.stringify(value)}`)
}

/** What QEMU's `info jit` is about: translated code, and why it is left. */
function translation(s: VcpuStats): string[] {
  const each = s.regionsMade || 1
  return [
    `regions            ${s.regions} of ${s.regionsMade} made (${s.regionsInvalidated} overwritten, ${s.regionFlushes} flushes)`,
    `guest instructions ${s.translatedInstructions} (${(s.translatedInstructions / each).toFixed(1)} a region)`,
    `WebAssembly        ${s.translatedBytes} bytes (${(s.translatedBytes / (s.translatedInstructions || 1)).toFixed(1)} an instruction)`,
    `time translating   ${Math.round(s.translationMilliseconds)} ms (${(s.translationMilliseconds / each).toFixed(2)} a region)`,
    `entries            ${s.regionEntries} (one in ${Math.round(s.instructions / (s.regionEntries || 1))} instructions)`,
    `exits              no region there ${percent(s.exitsTransfer, s.regionEntries)}, bailed ${percent(s.exitsBailed, s.regionEntries)}, slice over ${percent(s.exitsSlice, s.regionEntries)}`,
    `decoded            ${s.decoded} (${s.invalidated} overwritten, ${s.codeFlushes} flushes), ${s.codeBytes} bytes`,
    `TLB                ${s.tlbFills} fills, ${s.tlbFlushes} flushes`,
  ]
}
