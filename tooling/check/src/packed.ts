// What a user of one package gets: its tarball, installed alone beside the tarballs of the packages it depends on.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { packageManager } from '@entresol/bootstrap/runtime'
import type { Workspace } from '@entresol/eslint-config/arrows'
import type { Manifest } from './manifests.ts'
import { run } from './process.ts'

/** Packs every package into `folder`; returns the tarball's path by package name. */
export async function packAll(root: string, packages: readonly Workspace[], folder: string): Promise<Map<string, string>> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const npm = await packageManager()
  const selected = packages.flatMap(workspace => ['-w', workspace.name])
  const { code, output } = await run(npm.file, [...npm.args, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder, ...selected], root, npm.env)
  if (code !== 0) throw new Error(`npm pack failed:\n${output}`)
  const files = readdirSync(folder)
  return new Map(packages.map(({ name, manifest }) => {
    const file = `${name.replace('@', '').replace('/', '-')}-${(manifest as Manifest).version}.tgz`
    if (!files.includes(file)) throw new Error(`npm pack made no ${file}`)
    return [name, join(folder, file)]
  }))
}

/** publint's errors and warnings about a tarball. */
export async function lintTarball(workspace: Workspace, tarball: string): Promise<string[]> {
  const bytes = readFileSync(tarball)
  const { messages } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) }, level: 'warning' })
  return messages.map(message => `publint: ${formatMessage(message, workspace.manifest, { color: false }) ?? message.code}`)
}

/** attw: do the types say what the code is, under every way TypeScript resolves modules (ESM only)? */
export async function checkTypesOfTarball(root: string, tarball: string): Promise<string[]> {
  const { code, output } = await run(process.execPath, [join(root, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js'), tarball, '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii'], root)
  return code === 0 ? [] : [`attw: ${output.trim()}`]
}

/** Names of the public entry points, as they are written in an import. Data files and patterns are not code. */
export function entryPoints({ name, exports = {} }: Manifest): string[] {
  return Object.entries(exports).filter(([path, target]) => target !== null && !path.includes('*') && !path.endsWith('.json')).map(([path]) => name + path.slice(1))
}

/** Those that are for browsers too: what comes out of a folder called node is for Node only, as its source is for eslint. */
export function portableEntryPoints(manifest: Manifest): string[] {
  const portable = Object.entries(manifest.exports ?? {}).filter(([, target]) => !JSON.stringify(target).includes('/node/'))
  return entryPoints({ ...manifest, exports: Object.fromEntries(portable) })
}

/** `name` and everything of ours it depends on. */
export function closure(name: string, packages: readonly Workspace[], found: Set<string> = new Set()): Set<string> {
  const own = packages.find(workspace => workspace.name === name)
  if (own === undefined || found.has(name)) return found
  found.add(name)
  for (const dependency of Object.keys((own.manifest as Manifest).dependencies ?? {})) closure(dependency, packages, found)
  return found
}

/** Installs a package alone in an empty folder, imports every entry point in Node, and bundles it for a browser. */
export async function installAlone(workspace: Workspace, packages: readonly Workspace[], tarballs: ReadonlyMap<string, string>): Promise<string[]> {
  // Outside the repository: inside it, an undeclared dependency would be found in the repository's own node_modules.
  const folder = mkdtempSync(join(tmpdir(), 'entresol-alone-'))
  try {
    return await useAlone(workspace, packages, tarballs, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function useAlone(workspace: Workspace, packages: readonly Workspace[], tarballs: ReadonlyMap<string, string>, folder: string): Promise<string[]> {
  writeFileSync(join(folder, 'package.json'), '{ "name": "alone", "private": true, "type": "module" }\n')
  const npm = await packageManager()
  const needed = [...closure(workspace.name, packages)].map(name => tarballs.get(name)!)
  const installed = await run(npm.file, [...npm.args, 'install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', ...needed], folder, npm.env)
  if (installed.code !== 0) return [`cannot be installed alone: ${installed.output.trim()}`]

  const manifest = workspace.manifest as Manifest
  const names = entryPoints(manifest)
  const problems: string[] = []
  const importAll = names.map(name => `await import(${JSON.stringify(name)})`).join('\n')
  const imported = await run(process.execPath, ['--input-type=module', '-e', importAll], folder)
  if (imported.code !== 0) problems.push(`cannot be imported from its tarball: ${imported.output.trim()}`)
  for (const command of Object.keys(manifest.bin ?? {})) {
    const { code, output } = await run(process.execPath, [join(folder, 'node_modules', '.bin', command), '--version'], folder)
    if (code !== 0) problems.push(`${command} --version ended with ${code}: ${output.trim()}`)
  }
  const portable = workspace.runtime === 'node' ? [] : portableEntryPoints(manifest)
  if (portable.length > 0) problems.push(...await bundle(portable, folder))
  return problems
}

async function bundle(names: readonly string[], folder: string): Promise<string[]> {
  const contents = names.map((name, index) => `export * as entry${index} from ${JSON.stringify(name)}`).join('\n')
  try {
    await build({ stdin: { contents, resolveDir: folder }, bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'silent', absWorkingDir: folder })
    return []
  } catch (error) {
    return [`cannot be bundled for a browser: ${(error as Error).message}`]
  }
}
