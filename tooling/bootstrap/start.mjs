// npm start [-- options of entresol-kvm]: install, build, fetch a guest, and boot it on this terminal. With input piped in, the
// input goes to the guest's shell (prompt-pump.mjs), and the end of the input ends the shell and with it the guest.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from './build.mjs'
import { install } from './install.mjs'
import { environment, root } from './paths.mjs'
import { PromptWatcher, pump } from './prompt-pump.mjs'
import { main, say, StepFailed } from './steps.mjs'

const GUEST = 'cloud'
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']

/** Fetches the guest's files (cached) and returns the options that boot it. */
async function guestOptions(runtime, env) {
  const child = spawn(runtime, [join(root, 'tooling', 'guests', 'dist', 'cli.js'), GUEST], { cwd: root, env, stdio: ['ignore', 'pipe', 2] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => { output += text })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new StepFailed(`The guest ${GUEST} is not available (above says why). With files of your own: npm start -- -kernel <bzImage> -initrd <cpio>.`)
  // One line per file: name, key, value.
  const { kernel, initrd, commandLine } = Object.fromEntries(output.trim().split('\n').map(line => [line.split(' ')[1], line.split(' ').slice(2).join(' ')]))
  return ['-kernel', kernel, '-initrd', initrd, '-append', commandLine]
}

main(async () => {
  const runtime = await install()
  await build(runtime)
  const env = environment(dirname(runtime))
  const given = process.argv.slice(2)
  const options = ['-m', '512M', '-nographic', '-no-reboot', ...given.includes('-kernel') ? [] : await guestOptions(runtime, env), ...given]
  say(`Booting: entresol-kvm ${options.join(' ')}${process.stdin.isTTY ? '   (Ctrl-A X ends it)' : ''}`)
  return boot(runtime, [join(root, 'apps', 'kvm', 'dist', 'cli.js'), ...options], env)
})

/** Runs the app to its end and returns its exit code; a signal that ended it counts as in a shell. */
function boot(runtime, args, env) {
  const piped = !process.stdin.isTTY
  const child = spawn(runtime, args, { cwd: process.cwd(), env, stdio: piped ? ['pipe', 'pipe', 'inherit'] : 'inherit' })
  // On a terminal the keyboard's signals reach the app itself; here they only must not end its parent first.
  for (const signal of SIGNALS) process.on(signal, () => { if (piped || signal !== 'SIGINT') child.kill(signal) })
  if (piped) feed(child)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      // The rest of the input has no reader any more.
      process.stdin.destroy()
      resolve(signal === null ? code : 128 + constants.signals[signal])
    })
  })
}

function feed(child) {
  const watcher = new PromptWatcher()
  const decoder = new TextDecoder()
  child.stdout.on('data', bytes => {
    process.stdout.write(bytes)
    watcher.push(decoder.decode(bytes, { stream: true }))
  })
  // The guest may end before it has read everything.
  child.stdin.on('error', () => {})
  pump(process.stdin, watcher, child.stdin).catch(error => say(`Input: ${error.message}`))
}
