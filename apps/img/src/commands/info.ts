import type { ImageBackend } from '@entresol/block'
import { FORMAT, OUTPUT, SHARED } from '../arguments.ts'
import type { Command, Host } from '../command.ts'
import { closeLayers, openLayers } from '../layers.ts'
import type { Layer } from '../layers.ts'
import { withImage } from '../images.ts'
import { humanSize, json, wantsJson } from '../values.ts'
import { snapshotList } from './snapshot-list.ts'

type Fields = Readonly<Record<string, unknown>>

export const infoCommand: Command = {
  name: 'info',
  operands: 'filename',
  summary: 'tell what an image is',
  options: [FORMAT, OUTPUT, { flags: ['--backing-chain'], help: 'tell of all images it is a difference to, too' }, SHARED],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const asJson = wantsJson(given)
    const options = { format: given.value('-f'), readOnly: true, shared: given.has('-U') }
    const describe = async (layers: readonly Layer[]): Promise<void> => {
      const described = await Promise.all(layers.map(({ path, image }) => fields(host, path, image)))
      if (asJson) host.out(json(given.has('--backing-chain') ? described : described[0]))
      else host.out((await Promise.all(layers.map(({ image }, index) => human(described[index]!, image)))).join('\n'))
    }
    if (!given.has('--backing-chain')) {
      await withImage(host, path!, { ...options, backing: false }, (image) => describe([{ path: path!, image }]))
      return 0
    }
    const layers = await openLayers(host, path!, options)
    try {
      await describe(layers)
    } finally {
      await closeLayers(layers)
    }
    return 0
  },
}

async function fields(host: Host, path: string, image: ImageBackend): Promise<Fields> {
  const info = await image.info()
  const size = await host.allocated(path)
  const snapshots = image.snapshots?.list() ?? []
  return {
    ...snapshots.length > 0 && { snapshots: snapshots.map((snapshot) => ({
      'vm-clock-nsec': Number(snapshot.vmClock % 1_000_000_000n), 'name': snapshot.name, 'date-sec': snapshot.dateSeconds, 'date-nsec': snapshot.dateNanoseconds,
      'vm-clock-sec': Number(snapshot.vmClock / 1_000_000_000n), 'id': snapshot.id, 'vm-state-size': snapshot.vmStateSize,
    })) },
    ...image.backing?.format !== undefined && { 'backing-filename-format': image.backing.format },
    'virtual-size': image.size,
    'filename': path,
    ...info.clusterSize !== undefined && { 'cluster-size': info.clusterSize },
    'format': image.format,
    ...size !== undefined && { 'actual-size': size },
    ...info.specific && { 'format-specific': { type: image.format, data: info.specific } },
    ...image.backing && { 'full-backing-filename': host.files.resolve(path, image.backing.name), 'backing-filename': image.backing.name },
    'dirty-flag': info.dirty ?? false,
  }
}

async function human(fields: Fields, image: ImageBackend): Promise<string> {
  const { specific } = await image.info()
  const line = (name: string, value: unknown): string => value === undefined ? '' : `${name}: ${String(value)}\n`
  const full = fields['full-backing-filename']
  const backing = fields['backing-filename'] as string | undefined
  const actual = fields['actual-size'] as number | undefined
  const snapshots = image.snapshots?.list() ?? []
  return [
    line('image', fields['filename']),
    line('file format', fields['format']),
    line('virtual size', `${humanSize(image.size)} (${image.size} bytes)`),
    line('disk size', actual === undefined ? 'unavailable' : humanSize(actual)),
    fields['dirty-flag'] === true ? 'cleanly shut down: no\n' : '',
    line('cluster_size', fields['cluster-size']),
    line('backing file', backing === undefined || full === backing ? backing : `${backing} (actual path: ${String(full)})`),
    line('backing file format', fields['backing-filename-format']),
    snapshots.length > 0 ? snapshotList(snapshots) : '',
    specific && Object.keys(specific).length > 0 ? `Format specific information:\n${nested(specific, 1)}` : '',
  ].join('')
}

/** Names with their dashes as spaces, nested by four spaces. */
function nested(value: Readonly<Record<string, unknown>>, depth: number): string {
  const indent = '    '.repeat(depth)
  return Object.entries(value).map(([key, entry]) => {
    const name = key.replaceAll('-', ' ')
    if (typeof entry !== 'object' || entry === null) return `${indent}${name}: ${String(entry)}\n`
    const inner = Array.isArray(entry) ? Object.fromEntries(entry.map((each: unknown, index) => [`[${index}]`, each])) : entry as Record<string, unknown>
    return `${indent}${name}:\n${nested(inner, depth + 1)}`
  }).join('')
}
