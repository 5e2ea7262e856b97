import { execFile } from 'node:child_process'
import { getRandomValues } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeCodecs, nodeRemoteFiles } from '@entresol/block/node'
import type { Host } from '../src/command.ts'
import { main } from '../src/main.ts'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs entresol-img in this process. */
export async function img(words: readonly string[], changes: Partial<Host> = {}): Promise<Outcome> {
  let [out, err] = ['', '']
  const host: Host = {
    out: text => void (out += text),
    err: text => void (err += text),
    terminal: false,
    files: nodeRemoteFiles,
    codecs: nodeCodecs,
    signal: new AbortController().signal,
    allocated: async path => {
      const status = await stat(path).catch(() => undefined)
      return status && status.blocks * 512
    },
    remove: path => unlink(path).catch(() => {}),
    now: () => Date.now(),
    random: into => void getRandomValues(into),
    ...changes,
  }
  const code = await main(words, host, '0.0.0')
  return { code, out, err }
}

/** The same, which must go well. */
export async function must(...words: string[]): Promise<string> {
  const { code, out, err } = await img(words)
  if (code !== 0) throw Object.assign(new TypeError(`entresol-img ${words.join(' ')}: ${err}`))
  return out
}

/** Runs a program of the host. */
export async function run(program: string, words: readonly string[]): Promise<Outcome> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, [...words], { timeout: 60_000, maxBuffer: 64 << 20 })
    return { code: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number | string; stdout: string; stderr: string }
    return { code: typeof code === 'number' ? code : -1, out: stdout, err: stderr || String(code) }
  }
}

export const qemuImg = (...words: string[]): Promise<Outcome> => run('qemu-img', words)

/** Does things to an image with qemu-io. */
export async function qemuIo(path: string, ...script: string[]): Promise<void> {
  const { code, err, out } = await run('qemu-io', [...script.flatMap(each => ['-c', each]), path])
  if (code !== 0 || /failed|error/i.test(out + err)) throw Object.assign(new TypeError(`qemu-io ${path}: ${out}${err}`))
}

/** Why the tests that need qemu's tools are skipped, if they are. */
export async function qemuMissing(): Promise<string | undefined> {
  for (const program of ['qemu-img', 'qemu-io']) if ((await run('sh', ['-c', `command -v ${program}`])).code !== 0) return `${program} is not installed (Debian: qemu-utils)`
  return undefined
}

/** A folder of its own, removed by `remove`. */
export function temporary(): { path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'entresol-img-'))
  return { path: name => join(folder, name), remove: () => rmSync(folder, { recursive: true }) }
}
