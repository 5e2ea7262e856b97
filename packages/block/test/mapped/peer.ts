import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestContext } from 'vitest'

const run = promisify(execFile)

/** Undefined where it is not installed. */
const version: Promise<string | undefined> = run('qemu-img', ['--version']).then(({ stdout }) => stdout.split('\n')[0], () => undefined)

/** Runs `body` with an empty folder, if qemu-img is installed; says so if it is not. */
export async function withPeer(context: TestContext, body: (folder: string) => Promise<void>): Promise<void> {
  if (await version === undefined) return context.skip('qemu-img is not installed (Debian: qemu-utils)')
  const folder = await mkdtemp(join(tmpdir(), 'entresol-block-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Standard output of `qemu-img`; a failure is an error with what it said. */
export async function qemuImg(...args: string[]): Promise<string> {
  const { stdout } = await run('qemu-img', args)
  return stdout
}

/** Standard output of `qemu-io -c command ...`. Patterns it misses are errors. */
export async function qemuIo(format: string, file: string, ...commands: string[]): Promise<string> {
  const { stdout } = await run('qemu-io', ['-f', format, ...commands.flatMap((command) => ['-c', command]), file])
  if (/verification failed|error|Pattern/i.test(stdout)) throw new Error(`qemu-io: ${stdout}`)
  return stdout
}
