import type { DraftDrive } from './draft.ts'
import { FORMATS, imageOptions } from './drive.ts'
import { Properties } from './properties.ts'
import { badOption, oneOf, suggestion } from './words.ts'

/** What holds the bytes of an image. */
const PROTOCOLS = ['file', 'host_device', 'nbd', 'http', 'https'] as const
const LOCATION = ['driver', 'filename', 'url', 'server.type', 'server.host', 'server.port', 'server.path', 'export', 'aio', 'locking', 'cache.direct', 'cache.no-flush']
const KEYS = [
  'node-name', 'read-only', 'auto-read-only', 'discard', 'detect-zeroes', 'file', ...LOCATION, ...LOCATION.map(key => `file.${key}`)
]

/** A JSON object as the key=value list it means: nested keys with dots between. */
function flatten(option: string, text: string): string {
  const pairs = (value: unknown, path: string): string[] => {
    if (typeof value === 'object' && value !== null) return Object.entries(value).flatMap(([key, inner]) => pairs(inner, path === '' ? key : `${path}.${key}`))
    const plain = typeof value === 'boolean' ? value ? 'on' : 'off' : String(value)
    return [`${path}=${plain.replaceAll(',', ',,')}`]
  }
  try {
    return pairs(JSON.parse(text), '').join(',')
  } catch {
    throw badOption(option, 'the JSON ends too early or is none')
  }
}

/** The name, as -drive file= takes it, of what the keys under `prefix` describe. */
function location(p: Properties, prefix: string): string {
  const need = (key: string): string => p.need(`${prefix}${key}`)
  const protocol = oneOf(p.option, `${prefix}driver`, need('driver'), PROTOCOLS)
  if (protocol === 'http' || protocol === 'https') return need('url')
  if (protocol !== 'nbd') return need('filename')
  const name = p.text(`${prefix}export`)
  if (oneOf(p.option, `${prefix}server.type`, need('server.type'), ['inet', 'unix']) === 'unix') return `nbd+unix:///${name ?? ''}?socket=${need('server.path')}`
  return `nbd://${need('server.host')}:${p.text(`${prefix}server.port`) ?? '10809'}/${name ?? ''}`
}

/** -blockdev driver=FORMAT,node-name=…,file.driver=…,file.filename=…, or in two steps with file=NODE; or the same as JSON. */
export function parseBlockdev(option: string, text: string, nodes: readonly DraftDrive[]): DraftDrive {
  const p = new Properties(option, text.startsWith('{') ? flatten(option, text) : text, KEYS, 'driver')
  const driver = oneOf(option, 'driver', p.need('driver'), [...FORMATS, ...PROTOCOLS])
  const format = FORMATS.find(name => name === driver)
  const below = p.text('file')
  const node = below === undefined ? undefined : nodes.find(({ id }) => id === below)
  if (below !== undefined && !node) throw badOption(option, `there is no node '${below}' before it${suggestion(below, nodes.flatMap(({ id }) => id ?? []))}`)
  const file = node ? node.file : location(p, format === undefined ? '' : 'file.')
  return {
    file, interface: 'none', format: format ?? 'raw', media: 'disk', index: undefined, readOnly: p.flag('read-only') ?? false, snapshot: false,
    id: p.need('node-name'), serial: undefined, option: `${option} ${text}`, ...imageOptions(p)
  }
}
