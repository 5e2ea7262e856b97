import { mkdir, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { CodedError } from '@entresol/kit'
import type { CpioEntry } from '@entresol/loader'
import { type Architecture, dependency, download, downloadWithDependencies } from './apt.ts'
import { cacheFolder, exists, publish } from './cache.ts'
import { run } from './run.ts'

export interface PackageRequest {
  readonly name: string
  readonly architecture: Architecture
  /** Take the first dependency with this prefix instead of the package itself (meta packages). */
  readonly follow?: string
  /** Name of the folder, where one package is unpacked in more than one way; default the package's. */
  readonly as?: string
  /** What to unpack, as tar patterns ("./boot/vmlinuz*"); a kernel package's modules are a few hundred MB nobody asked for. */
  readonly files: readonly string[]
}

/** Fetches a package and unpacks the wanted files; returns the folder. Nothing is installed, and what is there is not fetched again. */
export async function unpacked(request: PackageRequest): Promise<string> {
  const { name, architecture, files, as = name } = request
  const folder = join(cacheFolder(), 'packages', architecture, as)
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

/** What a program needs at run time lies elsewhere: documentation, translations, headers, character set converters. */
const NOT_FOR_RUNNING = ['./usr/share', './etc', './var', './usr/include', '*/gconv']

/** Fetches packages with all they depend on and unpacks their programs and libraries into one tree; returns the folder. */
export async function unpackedTree(names: readonly string[], architecture: Architecture): Promise<string> {
  const folder = join(cacheFolder(), 'packages', architecture, names.join('+'))
  if (await exists(folder)) return folder
  return publish(folder, async temporary => {
    const debs = `${temporary}.debs`
    try {
      await mkdir(temporary, { recursive: true })
      const tar = join(debs, 'data.tar')
      for (const deb of await downloadWithDependencies(names, architecture, debs)) {
        await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" > "$2"', 'sh', deb, tar])
        await run('tar', ['-x', '--no-same-owner', '-f', tar, '-C', temporary, ...NOT_FOR_RUNNING.map(pattern => `--exclude=${pattern}`)])
      }
    } finally {
      await rm(debs, { recursive: true, force: true })
    }
  })
}

/** A folder's files, directories and links as members of an archive. */
export async function treeEntries(folder: string): Promise<CpioEntry[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const entries = await Promise.all(found.map(async (entry): Promise<CpioEntry> => {
    const full = join(entry.parentPath, entry.name)
    const path = relative(folder, full)
    if (entry.isDirectory()) return { path, kind: 'directory' }
    if (entry.isSymbolicLink()) return { path, kind: 'symlink', target: await readlink(full) }
    return { path, kind: 'file', mode: (await stat(full)).mode & 0o755, data: await readFile(full) }
  }))
  return entries.sort((a, b) => a.path < b.path ? -1 : 1)
}

/** The one file of an unpacked package whose path matches. */
export async function fileOf(folder: string, pattern: RegExp): Promise<string> {
  const entries = await readdir(folder, { recursive: true })
  const match = entries.filter(entry => pattern.test(entry)).sort()[0]
  if (match === undefined) throw new CodedError('no-package', `${folder} holds no file like ${pattern.source}`)
  return join(folder, match)
}
