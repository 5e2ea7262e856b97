// npm run check [-- names]: everything about the repository that is not a test. Each check prints one line, and what it found.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache, root } from '@entresol/bootstrap/paths'
import { checkLockfile } from './lockfile.ts'
import { checkManifests, publishable } from './manifests.ts'
import { checkTypesOfTarball, installAlone, lintTarball, packAll } from './packed.ts'
import { run } from './process.ts'

/** A check returns what is wrong, as lines or blocks of text; nothing means it passed. */
type Check = () => Promise<string[]>

const bin = (...path: string[]): string => join(root, 'node_modules', ...path)
const program = (file: string, ...args: string[]): Check => async () => {
  const { code, output } = await run(process.execPath, [file, ...args], root, { ...process.env, TURBO_TELEMETRY_DISABLED: '1' })
  return code === 0 ? [] : [output.trim()]
}

const checks: Record<string, Check> = {
  lockfile: async () => checkLockfile(join(root, 'package-lock.json'), false),
  manifests: async () => checkManifests(root),
  types: program(bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.check.json'),
  lint: program(bin('eslint', 'bin', 'eslint.js'), '.', '--max-warnings', '0'),
  // AssemblyScript is not TypeScript to turbo's parser.
  boundaries: program(bin('turbo', 'bin', 'turbo'), 'boundaries', '--filter=!@entresol/softfloat'),
  cycles: program(bin('dependency-cruiser', 'bin', 'dependency-cruiser.mjs'), '--config', '.dependency-cruiser.mjs',
    ...['packages', 'apps', 'tooling', 'examples'].filter(folder => existsSync(join(root, folder)))),
  unused: program(bin('knip', 'bin', 'knip.js'), '--no-progress', '--no-config-hints'),
  packages: checkPackages
}

async function checkPackages(): Promise<string[]> {
  const packages = publishable(root)
  const tarballs = await packAll(root, packages, join(cache, 'packed'))
  const problems: string[] = []
  for (const workspace of packages) {
    const tarball = tarballs.get(workspace.name)!
    const isLibrary = workspace.manifest.bin === undefined
    const found = [
      ...await lintTarball(workspace, tarball),
      ...isLibrary ? await checkTypesOfTarball(root, tarball) : [],
      ...await installAlone(workspace, packages, tarballs)
    ]
    console.log(`  ${found.length === 0 ? 'ok  ' : 'FAIL'} ${workspace.name}`)
    problems.push(...found.map(problem => `${workspace.name}: ${problem}`))
  }
  return problems
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !(name in checks))
if (unknown.length > 0) {
  console.error(`No check named ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}.`)
  process.exit(2)
}

const summary = join(cache, 'check-results.json')
mkdirSync(cache, { recursive: true })
rmSync(summary, { force: true })
let failed = 0
const selected = Object.entries(checks).filter(([name]) => wanted.length === 0 || wanted.includes(name))
for (const [name, check] of selected) {
  const start = performance.now()
  const problems = await check().catch((error: unknown) => [error instanceof Error ? error.message : String(error)])
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  for (const problem of problems) console.log(problem.replace(/^/gm, '     '))
  if (problems.length > 0) failed++
}
writeFileSync(summary, JSON.stringify({ passed: selected.length - failed, failed }) + '\n')
console.log(`\nchecks: ${selected.length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
