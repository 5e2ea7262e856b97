// entresol-img and qemu-img convert the same 2 GB qcow2 image in turn: medians, and the ratio of their speeds.
// node bench/convert.ts [folder] [rounds]; after a build. Disk or tmpfs, the folder says; it needs 6 GB.
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [parent = tmpdir(), rounds = '5'] = process.argv.slice(2)
const folder = mkdtempSync(join(parent, 'entresol-convert-'))
const path = (name: string): string => join(folder, name)
const cli = new URL('../dist/cli.js', import.meta.url).pathname
const MIB = 1 << 20

/** 2 GB: three quarters data nobody can compress, in stretches of 1 to 7 MiB, the rest holes. */
function makeSource(): void {
  const file = openSync(path('source.raw'), 'w')
  ftruncateSync(file, 2048 * MIB)
  const bytes = new Uint8Array(7 * MIB)
  for (let at = 0, stretch = 1; at < 2040; at += stretch + Math.ceil(stretch / 3), stretch = stretch % 7 + 1) {
    randomFillSync(bytes)
    writeSync(file, bytes, 0, stretch * MIB, at * MIB)
  }
  closeSync(file)
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', path('source.raw'), path('source.qcow2')])
  rmSync(path('source.raw'))
}

function seconds(program: string, words: readonly string[]): number {
  rmSync(path('target'), { force: true })
  const begun = performance.now()
  execFileSync(program, [...words])
  return (performance.now() - begun) / 1000
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

try {
  makeSource()
  for (const format of ['raw', 'qcow2']) {
    const words = ['convert', '-O', format, path('source.qcow2'), path('target')]
    const times = { ours: [] as number[], theirs: [] as number[] }
    for (let round = 0; round < Number(rounds); round++) {
      times.ours.push(seconds(process.execPath, [cli, ...words]))
      if (round === 0) execFileSync('qemu-img', ['compare', '-f', format, path('target'), path('source.qcow2')])
      times.theirs.push(seconds('qemu-img', words))
    }
    const [ours, theirs] = [median(times.ours), median(times.theirs)]
    process.stdout.write(`qcow2 to ${format}: entresol-img ${ours.toFixed(2)} s, qemu-img ${theirs.toFixed(2)} s: ${(theirs / ours).toFixed(2)} of its speed\n`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
