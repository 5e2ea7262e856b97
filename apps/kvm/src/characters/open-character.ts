import { closeSync, constants, createReadStream, existsSync, openSync, writeSync } from 'node:fs'
import { SerialConsole } from '@entresol/machine'
import { fileError } from '../files.ts'
import type { CharacterOptions } from '../options/index.ts'
import { connectSocket, listenSocket } from './socket.ts'

/** The host's end of a character device, open. */
export interface OpenCharacter {
  readonly port: SerialConsole
  /** Settles when the machine may start: at once, but for a socket that waits for its peer. */
  readonly ready: Promise<void>
  close(): void
}

const READY = Promise.resolve()
const NOTHING = (): void => undefined

/** Opens what a character option describes. `option` is for messages. The terminal's own port is connected by whoever has the terminal. */
export function openCharacter(options: CharacterOptions, option: string): OpenCharacter {
  const port = new SerialConsole()
  switch (options.kind) {
    case 'stdio':
    case 'null': return { port, ready: READY, close: NOTHING }
    case 'file': {
      const file = openFile(option, options.path, options.append ? 'a' : 'w')
      port.onOutput((bytes) => void writeSync(file, bytes))
      return { port, ready: READY, close: () => closeSync(file) }
    }
    case 'pipe': return openPipe(options.path, option, port)
    case 'socket': return options.server ? listenSocket(options, option, port) : connectSocket(options, option, port)
  }
}

function openFile(option: string, path: string, flags: string | number): number {
  try {
    return openSync(path, flags)
  } catch (error) {
    throw fileError(option, path, error)
  }
}

/** PATH.in and PATH.out where they are, else PATH for both ways. Opened read-write, so that nobody has to be at the other end. */
function openPipe(path: string, option: string, port: SerialConsole): OpenCharacter {
  const two = existsSync(`${path}.in`) && existsSync(`${path}.out`)
  const input = openFile(option, two ? `${path}.in` : path, constants.O_RDWR | constants.O_NONBLOCK)
  const output = two ? openFile(option, `${path}.out`, constants.O_RDWR | constants.O_NONBLOCK) : input
  const stream = createReadStream('', { fd: input })
  stream.on('data', (bytes) => port.send(bytes))
  stream.on('error', NOTHING)
  port.onOutput((bytes) => {
    try {
      writeSync(output, bytes)
    } catch {
      // Full, with nobody who reads: what does not fit is lost, as on a serial line.
    }
  })
  return {
    port, ready: READY,
    close: () => {
      stream.destroy()
      if (two) closeSync(output)
    },
  }
}
