import { buildMachine } from './build-machine.ts'
import { collectGarbage } from './engine.ts'
import { Monitor } from './monitor.ts'
import type { Configuration } from './options/index.ts'
import { Terminal } from './terminal.ts'

const ESCAPE_HELP = '\r\nC-a h  print this help\r\nC-a x  end the machine\r\nC-a c  switch between console and monitor\r\nC-a b  send break\r\nC-a C-a  send C-a\r\n'

/** Exit codes: power-off 0, isa-debug-exit its own, a guest that died 1. */
const DIED = 1

/** Runs the machine to its end and returns the exit code of the process. */
export async function run(configuration: Configuration): Promise<number> {
  const { machine, steered, terminal: given, close } = await buildMachine(configuration)
  const terminalSerial = given?.port
  const monitor = new Monitor(machine, steered, (text) => void process.stdout.write(text))
  let inMonitor = terminalSerial === undefined
  const quit = (): void => void machine.stop()
  const shared = given?.monitor === true
  const usesTerminal = terminalSerial !== undefined || configuration.monitor?.kind === 'stdio'
  const terminal = usesTerminal
    ? new Terminal({
        input: (bytes) => (inMonitor ? monitor.input(bytes) : terminalSerial!.send(bytes)),
        quit,
        toggleMonitor: () => {
          if (!terminalSerial) return
          inMonitor = !inMonitor
          if (inMonitor) monitor.open()
        },
        help: () => void process.stdout.write(ESCAPE_HELP),
        sendBreak: () => {},
      }, { escapes: shared, signals: !shared })
    : undefined
  terminalSerial?.onOutput((bytes) => void process.stdout.write(bytes.slice()))
  process.stdout.on('error', quit)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, quit)
  // A guest that halts for good (CLI; HLT), with its input at an end, leaves nothing to wait for; it still is a machine that is on.
  const poweredOn = setInterval(() => {}, 0x7fffffff)
  try {
    if (inMonitor && terminal) monitor.open()
    await machine.boot({ paused: configuration.startPaused })
    collectGarbage()
    const end = await machine.stopped
    switch (end.reason) {
      case 'exit': return end.code & 0xff
      case 'shutdown':
        process.stderr.write(`entresol-kvm: the guest died: triple fault\n${end.registers}\n`)
        return DIED
      default: return 0
    }
  } finally {
    clearInterval(poweredOn)
    terminal?.close()
    await close()
  }
}
