import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readJson, root, windows } from './paths.mjs'
import { fetchRuntime, findRuntime, packageManager } from './runtime.mjs'
import { say, step, StepFailed } from './steps.mjs'

const admits = (list, value) => list === undefined || (list.includes(value) || list.every(entry => entry.startsWith('!'))) && !list.includes(`!${value}`)

/** Optional packages are wanted when they are this machine's native part of another; without os and cpu they belong to such a part. */
function isWanted(entry) {
  if (!entry.optional && !entry.devOptional) return true
  const libc = process.platform !== 'linux' ? undefined : process.report?.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return (entry.os ?? entry.cpu) !== undefined && admits(entry.os, process.platform) && admits(entry.cpu, process.arch) && (libc === undefined || admits(entry.libc, libc))
}

/**
 * What package-lock.json asks for and node_modules does not have: packages of another version, absent ones, and the optional
 * native parts for this machine. Compared by content: file times say nothing after a git checkout.
 */
export function missingPackages(lock, installed) {
  return Object.entries(lock).filter(([path, entry]) => path.startsWith('node_modules/') && isWanted(entry))
    .filter(([path, entry]) => installed[path]?.version !== entry.version || installed[path]?.link !== entry.link)
    .map(([path]) => path.slice('node_modules/'.length))
}

function missing() {
  const hidden = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(hidden)) return ['everything']
  return missingPackages(readJson(join(root, 'package-lock.json')).packages, readJson(hidden).packages)
}

/** Installs what package-lock.json names unless it is there already, and returns the path of the Node to run everything with. */
export async function install() {
  if (missing().length > 0) {
    const npm = await packageManager()
    const run = command => step(`Installing packages (npm ${command})`, npm.file, [...npm.args, ...command.split(' '), '--no-audit', '--no-fund'], { env: npm.env, shell: windows })
    try {
      await run('ci')
    } catch (error) {
      say(`${error.message} Trying npm install, which takes what the lock file lacks from the registry.`)
      await run('install --no-save')
    }
    const left = missing()
    if (left.length > 0) say(`Not installed: ${left.join(', ')}; continuing without.`)
  }
  const runtime = findRuntime() ?? (await fetchRuntime() ? findRuntime() : undefined)
  if (runtime !== undefined) return runtime
  const [major] = process.versions.node.split('.').map(Number)
  if (major < 24) throw new StepFailed(`This repository needs Node 24; the registry gave none for ${process.platform}-${process.arch} and this is Node ${process.versions.node}.`)
  say(`Using the system's Node ${process.versions.node}.`)
  return process.execPath
}
