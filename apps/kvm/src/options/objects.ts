import type { ObjectOptions, ShareOptions } from './configuration.ts'
import { Properties } from './properties.ts'
import { badOption, oneOf } from './words.ts'

/** What -object makes, and its properties beside `id`. */
export const OBJECTS: Readonly<Record<ObjectOptions['type'], readonly string[]>> = {
  'rng-random': ['filename'], 'rng-builtin': [], 'filter-dump': ['netdev', 'file', 'maxlen', 'status', 'queue', 'insert', 'position']
}

/** -object type,id=…[,…] */
export function parseObject(option: string, text: string): ObjectOptions {
  const type = oneOf(option, 'object', text.split(',')[0]!, Object.keys(OBJECTS) as ObjectOptions['type'][])
  const p = new Properties(option, text, ['qom-type', 'id', ...OBJECTS[type]], 'qom-type')
  const id = p.need('id')
  switch (type) {
    case 'rng-builtin': return { type: 'rng-builtin', id }
    case 'rng-random': return { type, id, file: p.text('filename') ?? '/dev/urandom' }
    case 'filter-dump': {
      if ((p.text('queue') ?? 'all') !== 'all') throw badOption(option, 'queue must be all')
      return { type, id, netdev: p.need('netdev'), file: p.need('file'), snapLength: p.integer('maxlen', 1, 262144) ?? 65536, option: `${option} ${text}` }
    }
  }
}

const SECURITY_MODELS = ['none', 'passthrough', 'mapped', 'mapped-xattr', 'mapped-file'] as const
const SHARE_KEYS = ['id', 'path', 'security_model', 'readonly', 'writeout', 'multidevs', 'fmode', 'dmode'] as const

function share(p: Properties, id: string): ShareOptions {
  const security = p.word('security_model', SECURITY_MODELS)
  if (security === undefined) throw badOption(p.option, 'needs security_model=none (files belong to whoever runs this)')
  if (security.startsWith('mapped')) throw badOption(p.option, `security_model ${security} is not supported; valid: none, passthrough`)
  p.word('writeout', ['immediate'])
  p.word('multidevs', ['remap', 'warn', 'forbid'])
  return { id, path: p.need('path'), readOnly: p.flag('readonly') ?? false, passOwners: security === 'passthrough' }
}

/** -fsdev local,id=…,path=…,security_model=…[,readonly=on] */
export function parseFsdev(option: string, text: string): ShareOptions {
  oneOf(option, 'file system driver', text.split(',')[0]!, ['local'])
  const p = new Properties(option, text, ['fsdriver', ...SHARE_KEYS], 'fsdriver')
  return share(p, p.need('id'))
}

/** -virtfs local,path=…,mount_tag=…,security_model=…[,id=…][,readonly=on] */
export function parseVirtfs(option: string, text: string): { share: ShareOptions; mountTag: string } {
  oneOf(option, 'file system driver', text.split(',')[0]!, ['local'])
  const p = new Properties(option, text, ['fsdriver', 'mount_tag', ...SHARE_KEYS], 'fsdriver')
  const mountTag = p.need('mount_tag')
  return { share: share(p, p.text('id') ?? mountTag), mountTag }
}
