// node run.mjs <program> [arguments]: install and build if needed, then run one of the repository's own programs on its own Node.
import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { build } from './build.mjs'
import { install } from './install.mjs'
import { environment, root } from './paths.mjs'
import { ended, main, StepFailed } from './steps.mjs'

main(async () => {
  const [program, ...args] = process.argv.slice(2)
  if (program === undefined) throw new StepFailed('run.mjs needs the program to run.', 2)
  const runtime = await install()
  await build(runtime)
  const env = environment([dirname(runtime), join(root, 'node_modules', '.bin')].join(delimiter))
  const child = spawn(runtime, [join(root, program), ...args], { env, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return ended(child, program)
})
