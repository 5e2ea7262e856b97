import { closeSync, constants, existsSync, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { CodedError } from '@entresol/kit'
import { SerialConsole } from '@entresol/machine'
import { fileError } from '../files.ts'
import type { CharacterOptions } from '../options/index.ts'
import { connectSocket, joinSocket, listenSocket } from './socket.ts'

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
  const open = (name: string, readable: boolean): Socket => {
    const fd = openFile(option, name, constants.O_RDWR | constants.O_NONBLOCK)
    if (fstatSync(fd).isFIFO()) return new Socket({ fd, readable, writable: !readable })
    closeSync(fd)
    throw new CodedError('file-error', `${option}: ${name}: is no named pipe (mkfifo)`)
  }
  const input = open(two ? `${path}.in` : path, true)
  const output = open(two ? `${path}.out` : path, false)
  joinSocket(input, output, port)
  return {
    port, ready: READY,
    close: () => {
      input.destroy()
      output.destroy()
    },
  }
}
