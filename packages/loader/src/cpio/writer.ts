import { CodedError } from '@entresol/kit'
import { alignUp } from '../bytes.ts'
import { type CpioEntry, DEFAULT_MODE, TYPE_BITS } from './entry.ts'
import * as spec from './spec.ts'

interface Member {
  readonly name: Uint8Array
  readonly fields: Record<typeof spec.FIELDS[number], number>
  readonly data: Uint8Array
}

const NOTHING = new Uint8Array(0)

function contents(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'symlink') return new TextEncoder().encode(entry.target ?? '')
  if (entry.kind !== 'file' || entry.data === undefined) return NOTHING
  return typeof entry.data === 'string' ? new TextEncoder().encode(entry.data) : entry.data
}

function member(entry: CpioEntry, ino: number): Member {
  const name = new TextEncoder().encode(`${entry.path}\0`)
  const data = contents(entry)
  const bad = (why: string): CodedError => new CodedError('bad-cpio', `cpio member ${JSON.stringify(entry.path)}: ${why}`)
  if (entry.path === '' || entry.path.startsWith('/') || entry.path.includes('\0')) throw bad('path must be relative and not empty')
  if (entry.path === spec.TRAILER) throw bad('the name is the end mark of the format')
  if (name.length > spec.MAX_NAME) throw bad('path is too long')
  if (entry.kind === 'symlink' && data.length === 0) throw bad('a symlink needs a target')
  const node = entry.kind === 'character' || entry.kind === 'block'
  const fields = {
    ino, mode: TYPE_BITS[entry.kind] | (entry.mode ?? DEFAULT_MODE[entry.kind]), uid: entry.uid ?? 0, gid: entry.gid ?? 0,
    nlink: entry.kind === 'directory' ? 2 : 1, mtime: entry.mtime ?? 0, filesize: data.length, devmajor: 0, devminor: 0,
    rdevmajor: node ? entry.major ?? 0 : 0, rdevminor: node ? entry.minor ?? 0 : 0, namesize: name.length, check: 0
  }
  if (((entry.mode ?? 0) & ~0o7777) !== 0) throw bad('mode has bits outside 0o7777')
  for (const [field, value] of Object.entries(fields)) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw bad(`${field} ${value} does not fit 32 bits`)
  }
  return { name, fields, data }
}

/** Members with every parent directory that is missing put before them: Linux does not make directories by itself. */
function withParents(entries: readonly CpioEntry[]): CpioEntry[] {
  const known = new Set<string>()
  const all: CpioEntry[] = []
  for (const entry of entries) {
    const parts = entry.path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/')
      if (parent !== '' && !known.has(parent)) {
        known.add(parent)
        all.push({ path: parent, kind: 'directory' })
      }
    }
    if (entry.kind === 'directory' && known.has(entry.path) && entry.mode === undefined) continue
    known.add(entry.path)
    all.push(entry)
  }
  return all
}

/**
 * Writes a "newc" archive, as Linux takes for an initramfs. Equal entries in equal order give equal bytes. Missing parent
 * directories are added. Throws `bad-cpio`.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const members = withParents(entries).map((entry, i) => member(entry, i + 1))
  members.push({
    name: new TextEncoder().encode(`${spec.TRAILER}\0`), data: NOTHING,
    fields: { ino: 0, mode: 0, uid: 0, gid: 0, nlink: 1, mtime: 0, filesize: 0, devmajor: 0, devminor: 0, rdevmajor: 0, rdevminor: 0,
      namesize: spec.TRAILER.length + 1, check: 0 }
  })
  const head = (m: Member): number => alignUp(spec.HEADER_SIZE + m.name.length, spec.ALIGNMENT)
  const total = members.reduce((sum, m) => sum + head(m) + alignUp(m.data.length, spec.ALIGNMENT), 0)
  // Archives are padded to 512 bytes by custom, so that several can be concatenated.
  const archive = new Uint8Array(alignUp(total, 512))
  let at = 0
  for (const m of members) {
    const header = spec.MAGIC + spec.FIELDS.map(field => m.fields[field].toString(16).padStart(8, '0')).join('')
    archive.set(new TextEncoder().encode(header), at)
    archive.set(m.name, at + spec.HEADER_SIZE)
    archive.set(m.data, at + head(m))
    at += head(m) + alignUp(m.data.length, spec.ALIGNMENT)
  }
  return archive
}
