import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const NO_TSHARK = 'tshark is not installed'
export const hasTshark: boolean = spawnSync('tshark', ['--version']).status === 0

/** What tshark reads out of a capture: one row for each packet, one column for each field. */
export function dissect(capture: Uint8Array, fields: readonly string[], ...options: string[]): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'entresol-'))
  try {
    const file = join(folder, 'capture.pcap')
    writeFileSync(file, capture)
    const { status, stdout, stderr } = spawnSync('tshark', ['-n', '-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field]), ...options], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`tshark: ${stderr}`)
    return stdout.replace(/\n$/, '').split('\n').map((line) => line.split('\t'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
