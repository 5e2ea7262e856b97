// package-lock.json must work for everybody: it names no registry host, and it names the native parts of every platform, also those
// the registry of the machine that wrote it did not have (npm then leaves them out, and `npm ci` refuses the file).
import { readFileSync, writeFileSync } from 'node:fs'

export interface LockEntry {
  version?: string
  resolved?: string
  integrity?: string
  link?: boolean
  optional?: boolean
  dev?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

export type LockPackages = Record<string, LockEntry>

/** Entries whose `resolved` is a URL: it would tie every install to one host. */
export function namedHosts(packages: LockPackages): string[] {
  return Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined && /^[a-z+]+:\/\//.test(resolved))
    .map(([path, { resolved }]) => `package-lock.json: ${path} is resolved from ${resolved}`)
}

/** Optional dependencies with an exact version that have no entry of their own, with the entry they should have. */
export function absentOptional(packages: LockPackages): Map<string, LockEntry> {
  const absent = new Map<string, LockEntry>()
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!/^\d+\.\d+\.\d+/.test(version) || isResolvable(packages, path, name)) continue
      absent.set(`node_modules/${name}`, { version, ...platformOf(name), ...(entry.dev ? { dev: true } : {}), optional: true })
    }
  }
  return absent
}

function isResolvable(packages: LockPackages, from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder}${folder === '' ? '' : '/'}node_modules/${name}`] !== undefined) return true
    if (!folder.includes('/node_modules/')) return packages[`node_modules/${name}`] !== undefined
  }
}

const OS: Record<string, string> = { windows: 'win32', win32: 'win32', darwin: 'darwin', linux: 'linux', freebsd: 'freebsd', android: 'android', openharmony: 'openharmony', wasm32: '' }
const CPU: Record<string, string> = { 64: 'x64', eabi: 'arm', gnueabihf: 'arm', musleabihf: 'arm' }
const KNOWN_CPU = ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'wasm32', 'loong64']

/** Platform fields from a package name's words: `@turbo/windows-arm64`, `@oxc-parser/binding-linux-x64-gnu`. */
export function platformOf(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> {
  const words = name.split('/').at(-1)!.split('-')
  const os = words.map(word => OS[word]).find(word => word !== undefined)
  const cpu = words.find(word => KNOWN_CPU.includes(word)) ?? words.map(word => CPU[word]).find(word => word !== undefined)
  const libc = os !== 'linux' ? undefined : words.some(word => word.startsWith('musl')) ? 'musl' : words.some(word => word.startsWith('gnu')) ? 'glibc' : undefined
  return { ...(os ? { os: [os] } : {}), ...(cpu ? { cpu: [cpu] } : {}), ...(libc ? { libc: [libc] } : {}) }
}

/** Problems of the lock file, as lines. With `fix`, adds the absent entries and writes the file back. */
export function checkLockfile(file: string, fix: boolean): string[] {
  const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: LockPackages }
  const absent = absentOptional(lock.packages)
  if (fix && absent.size > 0) {
    const entries = Object.entries({ ...lock.packages, ...Object.fromEntries(absent) })
    lock.packages = Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b, 'en')))
    writeFileSync(file, JSON.stringify(lock, null, 2) + '\n')
    absent.clear()
  }
  return [...namedHosts(lock.packages), ...[...absent.keys()].map(path => `package-lock.json: no entry for ${path} (npm run fix:lockfile)`)]
}

if (import.meta.main) {
  const problems = checkLockfile('package-lock.json', process.argv.includes('--fix'))
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
}
