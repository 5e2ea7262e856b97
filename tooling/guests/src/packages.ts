import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError } from '@entresol/kit'
import { type Architecture, dependency, download } from './apt.ts'
import { cacheFolder, exists, publish } from './cache.ts'
import { run } from './run.ts'

export interface PackageRequest {
  readonly name: string
  readonly architecture: Architecture
  /** Take the first dependency with this prefix instead of the package itself (meta packages). */
  readonly follow?: string
  /** What to unpack, as tar patterns ("./boot/vmlinuz*"); a kernel package's modules are a few hundred MB nobody asked for. */
  readonly files: readonly string[]
}

/** Fetches a package and unpacks the wanted files; returns the folder. Nothing is installed, and what is there is not fetched again. */
export async function unpacked(request: PackageRequest): Promise<string> {
  const { name, architecture, files } = request
  const folder = join(cacheFolder(), 'packages', architecture, name)
  if (await exists(folder)) return folder
  const real = request.follow === undefined ? name : await dependency(name, request.follow, architecture)
  return publish(folder, async temporary => {
    const debs = `${temporary}.deb`
    try {
      const deb = await download(real, architecture, debs)
      await mkdir(temporary, { recursive: true })
      const tar = join(debs, 'data.tar')
      await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" > "$2"', 'sh', deb, tar])
      await run('tar', ['-x', '--no-same-owner', '-f', tar, '-C', temporary, '--wildcards', ...files])
    } finally {
      await rm(debs, { recursive: true, force: true })
    }
  })
}

/** The one file of an unpacked package whose path matches. */
export async function fileOf(folder: string, pattern: RegExp): Promise<string> {
  const entries = await readdir(folder, { recursive: true })
  const match = entries.filter(entry => pattern.test(entry)).sort()[0]
  if (match === undefined) throw new CodedError('no-package', `${folder} holds no file like ${pattern.source}`)
  return join(folder, match)
}
