import { CodedError } from '@entresol/kit'
import { alignUp } from '../bytes.ts'
import { type CpioEntry, type CpioKind, TYPE_BITS } from './entry.ts'
import * as spec from './spec.ts'

function bad(why: string): CodedError {
  return new CodedError('bad-cpio', `cpio archive: ${why}`)
}

/** Reads a "newc" archive up to its trailer. File contents are views into `archive`. Throws `bad-cpio`. */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = []
  const text = new TextDecoder()
  for (let at = 0; ;) {
    if (at + spec.HEADER_SIZE > archive.length) throw bad('ends without its trailer')
    const header = text.decode(archive.subarray(at, at + spec.HEADER_SIZE))
    if (!header.startsWith(spec.MAGIC)) throw bad(`no "newc" header at offset ${at}`)
    const field = (name: typeof spec.FIELDS[number]): number => {
      const digits = header.slice(6 + spec.FIELDS.indexOf(name) * 8).slice(0, 8)
      if (!/^[0-9a-fA-F]{8}$/.test(digits)) throw bad(`${name} at offset ${at} is no number`)
      return parseInt(digits, 16)
    }
    const nameSize = field('namesize')
    const size = field('filesize')
    const dataAt = at + alignUp(spec.HEADER_SIZE + nameSize, spec.ALIGNMENT)
    if (nameSize < 1 || nameSize > spec.MAX_NAME) throw bad(`name of ${nameSize} bytes at offset ${at}`)
    if (dataAt + size > archive.length) throw bad(`member at offset ${at} is cut off`)
    const path = text.decode(archive.subarray(at + spec.HEADER_SIZE, at + spec.HEADER_SIZE + nameSize - 1))
    if (path === spec.TRAILER) return entries
    const mode = field('mode')
    const kind = (Object.keys(TYPE_BITS) as CpioKind[]).find(k => TYPE_BITS[k] === (mode & spec.S_IFMT))
    if (!kind) throw bad(`member ${JSON.stringify(path)} has unknown type ${(mode & spec.S_IFMT).toString(8)}`)
    const data = archive.subarray(dataAt, dataAt + size)
    entries.push({
      path, kind, mode: mode & 0o7777, uid: field('uid'), gid: field('gid'), mtime: field('mtime'),
      ...(kind === 'file' ? { data } : {}),
      ...(kind === 'symlink' ? { target: text.decode(data) } : {}),
      ...(kind === 'character' || kind === 'block' ? { major: field('rdevmajor'), minor: field('rdevminor') } : {})
    })
    at = alignUp(dataAt + size, spec.ALIGNMENT)
  }
}
