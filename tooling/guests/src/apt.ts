import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError } from '@entresol/kit'
import { cacheFolder, exists } from './cache.ts'
import { progress, run } from './run.ts'

export type Architecture = 'amd64' | 'i386'

/** How apt is called: with the machine's own package lists, or with lists of our own in the cache folder, which need no root. */
interface AptSetup {
  readonly options: readonly string[]
}

const NO_APT = 'apt is not available here (the guests are Debian packages). Bring the files yourself: a Linux kernel (bzImage) for '
  + '-kernel FILE, an initramfs (cpio, may be compressed) for -initrd FILE, a BIOS image for -bios FILE.'

async function requireApt(): Promise<void> {
  for (const tool of ['apt-get', 'dpkg-deb', 'tar']) {
    await run(tool, ['--version']).catch((cause: unknown) => {
      throw new CodedError('no-apt', NO_APT, { cause })
    })
  }
}

/** Lists that belong to us: any architecture, any user, nothing of the machine's own package state read or changed. */
async function privateSetup(architecture: Architecture): Promise<AptSetup> {
  const folder = join(cacheFolder(), 'apt', architecture)
  await mkdir(join(folder, 'lists', 'partial'), { recursive: true })
  await mkdir(join(folder, 'cache', 'archives', 'partial'), { recursive: true })
  const status = join(folder, 'status')
  if (!await exists(status)) await writeFile(status, '')
  const settings = {
    'APT::Architecture': architecture, 'APT::Architectures': architecture, 'APT::Sandbox::User': '', 'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'), 'Dir::State::status': status, 'Dir::Cache': join(folder, 'cache'),
    'Acquire::Languages': 'none', 'Acquire::Retries': '3', 'DPkg::Post-Invoke': '', 'APT::Update::Post-Invoke': '',
    'APT::Update::Post-Invoke-Success': ''
  }
  return { options: Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]) }
}

/**
 * Fetches the lists. apt keeps those it could verify when others fail (a mirror in the middle of a sync), so that is no end yet:
 * the failure is returned, and matters when the wanted package is in none of the lists that are left.
 */
async function update(setup: AptSetup, architecture: Architecture): Promise<unknown> {
  progress(`fetching Debian's package lists (${architecture})`)
  try {
    await run('apt-get', [...setup.options, 'update'], { mergeOutput: true, onLine: line => progress(`  ${line}`) })
    return undefined
  } catch (error) {
    progress('some package lists could not be fetched; going on with the rest, so a package may lack its newest security update')
    return error
  }
}

async function knows(setup: AptSetup, name: string): Promise<boolean> {
  const shown = await run('apt-cache', [...setup.options, 'show', '--no-all-versions', name]).catch(() => '')
  return shown.includes('\nVersion:')
}

const updated = new Set<Architecture>()
const setups = new Map<Architecture, AptSetup>()

/** A setup whose lists have the package; `fresh` insists on lists fetched by this process. */
async function setupFor(name: string, architecture: Architecture, fresh: boolean): Promise<AptSetup> {
  await requireApt()
  const chosen = setups.get(architecture)
  if (chosen && !fresh && await knows(chosen, name)) return chosen
  if (!fresh && (await run('dpkg', ['--print-architecture'])).trim() === architecture) {
    const system: AptSetup = { options: ['-o', 'APT::Sandbox::User='] }
    if (await knows(system, name)) return system
  }
  const own = await privateSetup(architecture)
  let failure: unknown
  if (!updated.has(architecture) && (fresh || !await knows(own, name))) {
    failure = await update(own, architecture)
    updated.add(architecture)
  }
  if (!await knows(own, name)) {
    if (failure instanceof CodedError) {
      throw new CodedError('no-package-lists', `cannot fetch package lists: ${failure.message}`, { cause: failure })
    }
    throw new CodedError('no-package', `apt knows no package ${name} for ${architecture}; the guests are those of Debian 12`)
  }
  setups.set(architecture, own)
  return own
}

/** Downloads one package as a .deb into `folder`; returns the file. Lists that are out of date are fetched anew once. */
export async function download(name: string, architecture: Architecture, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const attempt = async (fresh: boolean): Promise<void> => {
    const setup = await setupFor(name, architecture, fresh)
    progress(`downloading ${name} (${architecture})`)
    await run('apt-get', [...setup.options, 'download', name], { cwd: folder, mergeOutput: true, onLine: line => progress(`  ${line}`) })
  }
  await attempt(false).catch((error: unknown) => {
    if (updated.has(architecture) || !(error instanceof CodedError) || error.code !== 'tool-failed') throw error
    progress(`${error.message}; trying again with fresh lists`)
    return attempt(true)
  })
  const file = (await readdir(folder)).find(entry => entry.startsWith(`${name}_`) && entry.endsWith('.deb'))
  if (!file) throw new CodedError('no-package', `apt-get download ${name} left no file`)
  return join(folder, file)
}

/** Where the lists that know `name` come from, as lines of a sources.list. */
export async function sources(name: string, architecture: Architecture): Promise<string[]> {
  const setup = await setupFor(name, architecture, false)
  const lines = await run('apt-get', [
    ...setup.options, 'indextargets', '--format', 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages', 'Origin: Debian'
  ])
  return [...new Set(lines.split('\n').filter(line => line !== ''))]
}

/** The package a meta package stands for: the first name in its Depends that starts with `prefix`. */
export async function dependency(meta: string, prefix: string, architecture: Architecture): Promise<string> {
  const setup = await setupFor(meta, architecture, false)
  const shown = await run('apt-cache', [...setup.options, 'show', '--no-all-versions', meta])
  const depends = /^Depends: (.*)$/m.exec(shown)?.[1] ?? ''
  const name = depends.split(/[,|]/).map(part => part.trim().split(/[ (:]/)[0]!).find(part => part.startsWith(prefix))
  if (name === undefined) throw new CodedError('no-package', `${meta} depends on no ${prefix} package`)
  return name
}

/** Downloads packages and everything they depend on, recommendations left out, as .deb files into `folder`; returns the files. */
export async function downloadWithDependencies(names: readonly string[], architecture: Architecture, folder: string): Promise<string[]> {
  const setup = await setupFor(names[0]!, architecture, false)
  await mkdir(folder, { recursive: true })
  // Solved for a machine that has nothing yet, whatever this one has.
  const nothing = join(folder, 'status')
  await writeFile(nothing, '')
  const plan = await run('apt-get', [
    ...setup.options, '-o', `Dir::State::status=${nothing}`, '-s', '--no-install-recommends', 'install', ...names
  ])
  await rm(nothing)
  const all = [...plan.matchAll(/^Inst (\S+)/gm)].map(match => match[1]!)
  progress(`downloading ${names.join(', ')} and what they need: ${all.length} packages (${architecture})`)
  await run('apt-get', [...setup.options, 'download', ...all], { cwd: folder, mergeOutput: true })
  return (await readdir(folder)).filter(file => file.endsWith('.deb')).map(file => join(folder, file))
}
