import type { CharacterOptions, SocketAddress } from './configuration.ts'
import { Properties } from './properties.ts'
import { badOption, oneOf, suggestion } from './words.ts'

const KINDS = ['stdio', 'mon:stdio', 'null', 'none', 'file:PATH', 'pipe:PATH', 'tcp:HOST:PORT', 'unix:PATH', 'chardev:ID']
/** QEMU's other back-ends, so that whoever types one learns that it is missing and not misspelt. */
const MISSING = ['pty', 'vc', 'udp', 'telnet', 'websocket', 'msmouse', 'braille', 'parallel', 'ringbuf', 'spicevmc', 'serial', 'testdev', 'wctablet']

/** Back-ends of -chardev, and their parameters beside `id`. */
export const CHARDEVS: Readonly<Record<'stdio' | 'null' | 'file' | 'pipe' | 'socket', readonly string[]>> = {
  stdio: ['mux', 'signal'], null: [], file: ['path', 'append'], pipe: ['path'],
  socket: ['path', 'host', 'port', 'server', 'wait', 'nodelay'],
}

export type Chardevs = ReadonlyMap<string, CharacterOptions>

function port(option: string, text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(value > 0 && value < 65536)) throw badOption(option, `'${text}' is no port`)
  return value
}

/** tcp:HOST:PORT[,server=on][,wait=off], unix:PATH[,…] */
function socket(option: string, text: string): CharacterOptions {
  const comma = text.indexOf(',')
  const address = comma < 0 ? text : text.slice(0, comma)
  const rest = new Properties(option, comma < 0 ? 'wait=on' : text.slice(comma + 1), ['server', 'wait', 'nodelay'])
  const server = rest.flag('server') ?? false
  return { kind: 'socket', address: socketAddress(option, address), server, wait: rest.flag('wait') ?? true }
}

function socketAddress(option: string, text: string): SocketAddress {
  if (text.startsWith('unix:')) {
    if (text.length === 5) throw badOption(option, `'${text}' names no socket; write unix:PATH`)
    return { path: text.slice(5) }
  }
  const match = /^tcp:(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(text)
  if (!match) throw badOption(option, `'${text}' names no address; write tcp:HOST:PORT`)
  return { host: match[1]!.replace(/^\[|\]$/g, '') || undefined, port: port(option, match[2]!) }
}

/** A character back-end of -serial, -monitor, -debugcon; undefined for `none`. */
export function parseCharacter(option: string, text: string, chardevs: Chardevs): CharacterOptions | undefined {
  if (text === 'none') return undefined
  if (text === 'null') return { kind: 'null' }
  if (text === 'stdio' || text === 'mon:stdio') return { kind: 'stdio', monitor: text.startsWith('mon:') }
  if (text.startsWith('chardev:')) return chardev(option, text.slice(8), chardevs)
  const kind = text.split(':')[0]!
  if (kind === 'tcp' || kind === 'unix') return socket(option, text)
  if (kind === 'file' || kind === 'pipe') {
    const path = text.slice(5)
    if (path === '') throw badOption(option, `'${text}' names no file; write ${kind}:PATH`)
    return kind === 'file' ? { kind, path, append: false } : { kind, path }
  }
  if (MISSING.includes(kind)) throw badOption(option, `'${kind}' is not supported; valid: ${KINDS.join(', ')}`)
  throw badOption(option, `unknown back-end '${text}'${suggestion(text, KINDS)}`)
}

/** The back-end that -chardev called `id`. */
export function chardev(option: string, id: string, chardevs: Chardevs): CharacterOptions {
  const found = chardevs.get(id)
  if (!found) throw badOption(option, `there is no -chardev '${id}'${suggestion(id, [...chardevs.keys()])}`)
  return found
}

/** -chardev backend,id=…[,…] */
export function parseChardev(option: string, text: string): { id: string; character: CharacterOptions } {
  const kind = text.split(',')[0]!
  if (MISSING.includes(kind)) throw badOption(option, `'${kind}' is not supported; valid: ${Object.keys(CHARDEVS).join(', ')}`)
  const backend = oneOf(option, 'back-end', kind, Object.keys(CHARDEVS) as (keyof typeof CHARDEVS)[])
  const p = new Properties(option, text, ['backend', 'id', ...CHARDEVS[backend]], 'backend')
  const id = p.need('id')
  switch (backend) {
    case 'null': return { id, character: { kind: 'null' } }
    case 'stdio': return { id, character: { kind: 'stdio', monitor: p.flag('mux') ?? false } }
    case 'file': return { id, character: { kind: 'file', path: p.need('path'), append: p.flag('append') ?? false } }
    case 'pipe': return { id, character: { kind: 'pipe', path: p.need('path') } }
    case 'socket': {
      const path = p.text('path')
      const address = path === undefined ? { host: p.text('host'), port: port(option, p.need('port')) } : { path }
      return { id, character: { kind: 'socket', address, server: p.flag('server') ?? false, wait: p.flag('wait') ?? true } }
    }
  }
}
