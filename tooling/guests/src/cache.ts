import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where fetched packages and built images are kept: $ENTRESOL_CACHE, or .cache/guests at the top of the repository. */
export function cacheFolder(): string {
  const chosen = process.env['ENTRESOL_CACHE']
  return chosen ? resolve(chosen) : fileURLToPath(new URL('../../../.cache/guests', import.meta.url))
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}

let counter = 0

/**
 * Makes `path` by letting `build` fill a temporary neighbour and renaming that: whoever finds `path` finds it complete, and two
 * processes building the same thing do no harm.
 */
export async function publish(path: string, build: (temporary: string) => Promise<void>): Promise<string> {
  const temporary = `${path}.${process.pid}.${counter++}.part`
  await mkdir(dirname(path), { recursive: true })
  try {
    await build(temporary)
    await rename(temporary, path).catch(async (error: unknown) => {
      if (!await exists(path)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return path
}

/** Writes a built file into the cache. A file is replaced in one step. */
export async function publishFile(name: string, bytes: Uint8Array): Promise<string> {
  return publish(join(cacheFolder(), name), temporary => writeFile(temporary, bytes))
}
