// npm test [-- filters]: install, build, then every test of every package, with a total at the end.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from './build.mjs'
import { install } from './install.mjs'
import { cache, environment, readJson, root } from './paths.mjs'
import { ended, main, say } from './steps.mjs'
import { totals } from './totals.mjs'

// A busy machine is no failure, and no test asserts a time. Projects do not take these from the configuration at the root.
const PATIENCE = ['--testTimeout=60000', '--hookTimeout=60000']

main(async () => {
  const report = join(cache, 'test-results.json')
  const summary = join(cache, 'test-totals.json')
  mkdirSync(cache, { recursive: true })
  for (const old of [report, summary]) rmSync(old, { force: true })
  const runtime = await install()
  await build(runtime)
  const vitest = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...PATIENCE, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const child = spawn(runtime, [...vitest, ...process.argv.slice(2)], { cwd: root, env: environment(dirname(runtime)), stdio: ['ignore', 'inherit', 'inherit'] })
  const code = await ended(child, runtime)
  if (!existsSync(report)) {
    say('The tests ended without a report.')
    return code || 1
  }
  const { passed, failed, skipped, files } = totals(readJson(report))
  writeFileSync(summary, JSON.stringify({ passed, failed, skipped, files }) + '\n')
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''} in ${files} files\n`)
  return code || (failed > 0 ? 1 : 0)
})
