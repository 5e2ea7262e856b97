import type { CharacterOptions } from './configuration.ts'
import { badOption, suggestion } from './words.ts'

const KINDS = ['stdio', 'mon:stdio', 'null', 'none', 'file:PATH']
/** QEMU's other back-ends, so that whoever types one learns that it is missing and not misspelt. */
const MISSING = ['pty', 'vc', 'tcp', 'udp', 'telnet', 'unix', 'pipe', 'chardev', 'websocket', 'msmouse', 'braille']

/** A character back-end of -serial, -monitor, -debugcon; undefined for `none`. */
export function parseCharacter(option: string, text: string): CharacterOptions | undefined {
  if (text === 'none') return undefined
  if (text === 'null') return { kind: 'null' }
  if (text === 'stdio' || text === 'mon:stdio') return { kind: 'stdio', monitor: text.startsWith('mon:') }
  if (text.startsWith('file:') && text.length > 5) return { kind: 'file', path: text.slice(5) }
  if (text.startsWith('file')) throw badOption(option, `'${text}' names no file; write file:PATH`)
  const kind = text.split(':')[0]!
  if (MISSING.includes(kind)) throw badOption(option, `'${kind}' is not supported; valid: ${KINDS.join(', ')}`)
  throw badOption(option, `unknown back-end '${text}'${suggestion(text, KINDS)}`)
}
