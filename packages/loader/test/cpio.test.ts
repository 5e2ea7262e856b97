import { CodedError } from '@entresol/kit'
import { describe, expect, test } from 'vitest'
import { type CpioEntry, readCpio, writeCpio } from '../src/index.ts'

const TREE: CpioEntry[] = [
  { path: 'init', kind: 'file', mode: 0o755, data: '#!/bin/sh\n' },
  { path: 'bin', kind: 'directory' },
  { path: 'bin/busybox', kind: 'file', mode: 0o4755, data: Uint8Array.of(1, 2, 3, 4, 5) },
  { path: 'bin/sh', kind: 'symlink', target: 'busybox' },
  { path: 'dev/console', kind: 'character', mode: 0o600, major: 5, minor: 1 },
  { path: 'dev/sda', kind: 'block', mode: 0o660, gid: 6, major: 8, minor: 0 },
  { path: 'run/p', kind: 'fifo' },
  { path: 'empty', kind: 'file' }
]

describe('cpio newc', () => {
  test('what was written is read back, with missing parents added before their children', () => {
    const read = readCpio(writeCpio(TREE))
    expect(read.map(entry => entry.path)).toEqual(
      ['init', 'bin', 'bin/busybox', 'bin/sh', 'dev', 'dev/console', 'dev/sda', 'run', 'run/p', 'empty'])
    expect(read[2]).toMatchObject({ kind: 'file', mode: 0o4755, data: Uint8Array.of(1, 2, 3, 4, 5) })
    expect(read[3]).toMatchObject({ kind: 'symlink', target: 'busybox', mode: 0o777 })
    expect(read[5]).toMatchObject({ kind: 'character', mode: 0o600, major: 5, minor: 1 })
    expect(read[6]).toMatchObject({ kind: 'block', gid: 6, major: 8, minor: 0 })
  })

  test('equal trees give equal bytes, in whole 512-byte blocks, every header on a 4-byte boundary', () => {
    const archive = writeCpio(TREE)
    expect(writeCpio(TREE)).toEqual(archive)
    expect(archive.length % 512).toBe(0)
    const text = new TextDecoder('latin1').decode(archive)
    const headers = [...text.matchAll(/070701[0-9a-f]{8}/g)].map(match => match.index)
    expect(headers).toHaveLength(11)
    expect(headers.every(at => at % 4 === 0)).toBe(true)
  })

  test('archives concatenate: the padding behind a trailer is zero', () => {
    const archive = writeCpio([{ path: 'a', kind: 'file', data: 'x' }])
    const end = new TextDecoder('latin1').decode(archive).indexOf('TRAILER!!!')
    expect(archive.subarray(end + 10).every(byte => byte === 0)).toBe(true)
  })

  test('absolute and empty paths, the trailer as a name, wide modes and targetless links are refused', () => {
    const bad: CpioEntry[] = [
      { path: '/init', kind: 'file' }, { path: '', kind: 'file' }, { path: 'TRAILER!!!', kind: 'file' },
      { path: 'a', kind: 'file', mode: 0o100644 }, { path: 'l', kind: 'symlink' }, { path: 'a', kind: 'file', uid: -1 }
    ]
    for (const entry of bad) expect(() => writeCpio([entry])).toThrow(CodedError)
  })
})
