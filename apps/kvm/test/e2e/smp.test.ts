import { expect, test } from 'vitest'
import { guestFiles } from './guests.ts'
import { Program } from './program.ts'

const PROMPT = '~ # '
const MINUTES = 60_000

const cloud = (await guestFiles('cloud'))?.['cloud']

test.runIf(cloud)('Linux finds two CPUs with -smp 2, runs on both, and powers off', { timeout: 10 * MINUTES }, async () => {
  const { kernel = '', initrd = '', commandLine = '' } = cloud!
  const program = new Program(['-kernel', kernel, '-initrd', initrd, '-append', commandLine, '-nographic', '-m', '256', '-smp', '2'])
  const ask = async (command: string): Promise<string> => {
    program.type(`${command}\n`)
    return (await program.waitFor(PROMPT)).replaceAll('\r', '')
  }
  expect(await program.waitFor(PROMPT)).toContain('smp: Brought up 1 node, 2 CPUs')
  expect(await ask('nproc')).toMatch(/\n2\n/)
  expect(await ask('grep -c ^processor /proc/cpuinfo')).toMatch(/\n2\n/)
  // A loop on each CPU alone, which says where it ran (field 39 of /proc/PID/stat), then on both at once.
  const loop = 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'
  const alone = await ask(`for c in 1 2; do taskset $c sh -c '${loop}; set -- $(cat /proc/$$/stat); shift 38; echo ran on $1'; done`)
  expect(alone).toMatch(/\nran on 0\n.*ran on 1\n/s)
  const together = await ask(`for c in 1 2; do (taskset $c sh -c '${loop}; echo done') & done; wait`)
  expect(together.match(/^done/gm)).toHaveLength(2)
  // Timer ticks and function-call interrupts arrive on both.
  const interrupts = await ask('grep -E "^ *(LOC|CAL):" /proc/interrupts')
  for (const name of ['LOC', 'CAL']) expect(interrupts).toMatch(new RegExp(`${name}: +[1-9]\\d* +[1-9]\\d* `))
  expect(await ask('dmesg | grep -ciE "bug:|warning:|stall|soft lockup|hung task|unstable"')).toMatch(/\n0\n/)
  program.type('poweroff -f\n')
  expect((await program.ended).code).toBe(0)
})
