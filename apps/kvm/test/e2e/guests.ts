import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const GUESTS = fileURLToPath(new URL('../../../../tooling/guests/dist/cli.js', import.meta.url))

export type GuestFiles = Readonly<Record<string, Readonly<Record<string, string>>>>

/**
 * Files of the guests named, by guest and key: fetched once, then from the cache. Undefined, with a line that says so, where they cannot be
 * had: no apt, no network.
 */
export async function guestFiles(...names: string[]): Promise<GuestFiles | undefined> {
  const child = spawn(process.execPath, [GUESTS, ...names], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (data: Buffer) => void (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => void (errors += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  if (code !== 0) {
    process.stdout.write(`skipped: guests ${names.join(', ')} cannot be had: ${errors.trim().split('\n').at(-1) ?? `exit code ${code}`}\n`)
    return undefined
  }
  const files: Record<string, Record<string, string>> = {}
  for (const line of output.trim().split('\n')) {
    const [, name = '', key = '', path = ''] = /^(\S+) (\S+) (.*)$/.exec(line) ?? []
    ;(files[name] ??= {})[key] = path
  }
  return files
}
