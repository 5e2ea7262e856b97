import { describe, expect, test } from 'vitest'
import { guestFiles } from './guests.ts'
import { Program } from './program.ts'

const PROMPT = '~ # '
const MINUTES = 60_000

const cloud = (await guestFiles('cloud'))?.['cloud']

describe.runIf(cloud).each(['multi', 'single'])('two CPUs with thread=%s', { timeout: 20 * MINUTES }, (thread) => {
  const start = (): { program: Program; ask: (command: string) => Promise<string> } => {
    const { kernel = '', initrd = '', commandLine = '' } = cloud!
    const program = new Program([
      '-kernel', kernel, '-initrd', initrd, '-append', commandLine, '-nographic', '-m', '256', '-smp', '2', '-accel', `soft,thread=${thread}`,
    ])
    const ask = async (command: string): Promise<string> => {
      program.type(`${command}\n`)
      return (await program.waitFor(PROMPT)).replaceAll('\r', '')
    }
    return { program, ask }
  }

  test('Linux finds both, runs on both, and powers off', async () => {
    const { program, ask } = start()
    expect(await program.waitFor(PROMPT)).toContain('smp: Brought up 1 node, 2 CPUs')
    expect(await ask('nproc')).toMatch(/\n2\n/)
    expect(await ask('grep -c ^processor /proc/cpuinfo')).toMatch(/\n2\n/)
    // A loop on each CPU alone, which says where it ran (field 39 of /proc/PID/stat), then on both at once.
    const loop = 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'
    const alone = await ask(`for c in 1 2; do taskset $c sh -c '${loop}; set -- $(cat /proc/$$/stat); shift 38; echo ran on $1'; done`)
    expect(alone).toMatch(/\nran on 0\n.*ran on 1\n/s)
    const together = await ask(`for c in 1 2; do (taskset $c sh -c '${loop}; echo done') & done; wait`)
    expect(together.match(/^done/gm)).toHaveLength(2)
    // Two processes that share nothing but the kernel come to the same sum.
    const sums = await ask('for c in 1 2; do (dd if=/dev/zero bs=64k count=32 2>/dev/null | md5sum) & done; wait')
    expect(sums.match(/^b2d1236c286a3c0704224fe4105eca49 /gm)).toHaveLength(2)
    // Timer ticks and function-call interrupts arrive on both.
    const interrupts = await ask('grep -E "^ *(LOC|CAL):" /proc/interrupts')
    for (const name of ['LOC', 'CAL']) expect(interrupts).toMatch(new RegExp(`${name}: +[1-9]\\d* +[1-9]\\d* `))
    expect(await ask('dmesg | grep -ciE "bug:|warning:|stall|soft lockup|hung task|unstable"')).toMatch(/\n0\n/)
    program.type('poweroff -f\n')
    expect((await program.ended).code).toBe(0)
  })

  test('a machine that resets starts both again, and SIGTERM ends it while both run', async () => {
    const { program, ask } = start()
    await program.waitFor(PROMPT)
    program.type('reboot -f\n')
    expect(await program.waitFor(PROMPT)).toContain('smp: Brought up 1 node, 2 CPUs')
    await ask('for c in 1 2; do (while :; do :; done) & done')
    expect((await program.terminate()).code).toBe(0)
  })
})
