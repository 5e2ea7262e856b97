import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Architecture, download } from './apt.ts'
import { cacheFolder, exists, publish } from './cache.ts'
import { run } from './run.ts'

/** A folder that, served over HTTP, is a flat apt repository of some packages (without signature: `[trusted=yes] http://… ./`). */
export async function repository(names: readonly string[], architecture: Architecture): Promise<string> {
  const folder = join(cacheFolder(), 'repositories', architecture, names.join('+'))
  if (await exists(folder)) return folder
  return publish(folder, async temporary => {
    await mkdir(temporary, { recursive: true })
    const entries: string[] = []
    for (const name of names) {
      const deb = await download(name, architecture, temporary)
      const bytes = await readFile(deb)
      const fields = (await run('dpkg-deb', ['--field', deb])).trim()
      entries.push(`${fields}\nFilename: ./${basename(deb)}\nSize: ${bytes.length}\nSHA256: ${createHash('sha256').update(bytes).digest('hex')}\n`)
    }
    const index = entries.join('\n')
    await writeFile(join(temporary, 'Packages'), index)
    await writeFile(join(temporary, 'Packages.gz'), gzipSync(index))
  })
}
