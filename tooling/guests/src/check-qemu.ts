#!/usr/bin/env node
/**
 * Boots guests in QEMU (TCG) and waits for what they must show: says whether a guest that fails elsewhere is itself sound.
 * Usage: check-qemu.ts [NAME...]
 */
import { spawn } from 'node:child_process'
import { guest, type Guest } from './guest.ts'

interface Expectation {
  readonly name: string
  /** Shown on the serial console when the guest is up. */
  readonly up: RegExp
  /** Typed then; the guest must answer with `answer` and power off. */
  readonly type?: string
  readonly answer?: RegExp
  readonly program?: string
}

const SHELL = {
  // Behind its prompt busybox may ask the terminal where the cursor is.
  up: /~ # (?:\u001b\[6n)?/, type: 'cd /tmp; echo sum $((6 * 7)); sleep 50 & jobs; tty; cd; exit\n',
  answer: /sum 42[\s\S]*Running[\s\S]*\/dev\/ttyS0/
}
const CHECKS: readonly Expectation[] = [
  { name: 'cloud', ...SHELL }, { name: 'generic', ...SHELL }, { name: 'i386', ...SHELL, program: 'qemu-system-i386' },
  { name: 'grub-disk', ...SHELL }, { name: 'grub-cd', ...SHELL },
  { name: 'netboot', up: /Choose language|Select a language/ }, { name: 'memtest', up: /Pass[\s\S]*Test/ },
  { name: 'debian', up: /debian login: $/ }
]
const LIMIT_SECONDS = 100

function argumentsOf(it: Guest): string[] {
  return ['-m', '1024', '-accel', 'tcg', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot', '-net', 'none',
    ...(it.kernel ? ['-kernel', it.kernel] : []), ...(it.initrd ? ['-initrd', it.initrd] : []),
    ...(it.kernel && it.commandLine ? ['-append', it.commandLine] : []),
    ...(it.disk ? ['-drive', `file=${it.disk},format=raw,snapshot=on`] : []), ...(it.cdrom ? ['-cdrom', it.cdrom, '-boot', 'd'] : [])]
}

async function check(expectation: Expectation): Promise<string | undefined> {
  const child = spawn(expectation.program ?? 'qemu-system-x86_64', argumentsOf(await guest(expectation.name)), { stdio: ['pipe', 'pipe', 'inherit'] })
  let text = ''
  let up = false
  const result = await new Promise<string | undefined>(done => {
    const timer = setTimeout(() => done(`nothing like ${up ? expectation.answer : expectation.up} within ${LIMIT_SECONDS} s`), LIMIT_SECONDS * 1000)
    child.on('error', error => done(error.message))
    child.on('close', () => {
      clearTimeout(timer)
      done(up && expectation.answer?.test(text) ? undefined : 'ended too early')
    })
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (up || !expectation.up.test(text)) return
      up = true
      text = ''
      if (expectation.type === undefined) done(undefined)
      else child.stdin.write(expectation.type)
    })
  })
  child.kill()
  return result === undefined ? undefined : `${result}; last output: ${JSON.stringify(text.slice(-300))}`
}

const chosen = process.argv.slice(2)
let failed = 0
for (const expectation of CHECKS) {
  if (chosen.length > 0 && !chosen.includes(expectation.name)) continue
  const start = performance.now()
  const failure = await check(expectation)
  if (failure !== undefined) failed++
  process.stdout.write(`${expectation.name}: ${failure ?? 'up'} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`)
}
process.exitCode = failed === 0 ? 0 : 1
