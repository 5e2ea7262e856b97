import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANSWER_TIMEOUT, BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

const files = await fetched('cloud', '--with-32bit')

describe.skipIf(files === undefined)("Debian's cloud kernel", { timeout: 4 * ANSWER_TIMEOUT }, () => {
  let guest: RunningGuest
  beforeAll(() => void (guest = start(files!, '-m', '512M')))
  afterAll(() => guest.kill())

  test('boots to a shell', { timeout: BOOT_TIMEOUT }, async () => {
    expect(await guest.booted()).toMatch(/Linux version .*cloud-amd64/)
    expect(await guest.run('uname -m; nproc')).toBe('x86_64\n1')
  })

  test('shows the CPU model in /proc/cpuinfo', async () => {
    const cpuinfo = await guest.run('cat /proc/cpuinfo')
    expect(cpuinfo).toMatch(/^vendor_id\t: GenuineIntel$/m)
    expect(cpuinfo).toMatch(/^model name\t: Entresol x86-64-v2$/m)
    expect(cpuinfo).toMatch(/^flags\t.* sse4_2 .*popcnt/m)
  })

  test('has no complaints about the machine in dmesg', async () => {
    expect(complaints(await guest.run('dmesg -r'))).toEqual([])
  })

  test('runs pipes', async () => {
    expect(await guest.run("seq 1 1000 | sed 's/$/ 1/' | awk '{ s += $1 * $1 } END { print s }'")).toBe('333833500')
    expect(await guest.run('dd if=/dev/zero bs=64k count=16 2>/dev/null | md5sum')).toBe('b6d81b360a5672d80c27430f39153e2c  -')
  })

  test('edits in vi', async () => {
    guest.type('vi /tmp/note\n')
    await guest.waitFor(/- \/tmp\/note/)
    guest.type('ihello from vi')
    await guest.waitFor(/I \/tmp\/note/)
    guest.type('\x1b')
    await guest.waitFor(/- \/tmp\/note/)
    guest.type(':wq\n')
    await guest.prompt()
    expect(await guest.run('cat /tmp/note')).toBe('hello from vi')
  })

  test('refreshes top until q', async () => {
    guest.type('top -d 1\n')
    await guest.waitFor(/PID +PPID[^]*PID +PPID/)
    guest.type('q')
    await guest.prompt()
    expect(await guest.run('echo $?')).toBe('0')
  })

  test('has job control: background, foreground, Ctrl-Z, Ctrl-C', async () => {
    await guest.run('sleep 100 &')
    expect(await guest.run('jobs')).toMatch(/\[1\]\+ +Running +sleep 100/)
    guest.type('fg\n')
    await guest.waitFor(/sleep 100\n/)
    expect(await guest.untilPrompt('\x1a')).toMatch(/Stopped/)
    expect(await guest.run('jobs')).toMatch(/Stopped +sleep 100/)
    expect(await guest.run('bg')).toMatch(/sleep 100/)
    guest.type('fg\n')
    await guest.waitFor(/sleep 100\n/)
    await guest.untilPrompt('\x03')
    expect(await guest.run('echo $?; jobs')).toBe('130')
  })

  test('sleeps as long as asked', async () => {
    const seconds = Number(await guest.run('a=$(date +%s); sleep 2; b=$(date +%s); echo $((b - a))'))
    expect(seconds).toBeGreaterThanOrEqual(2)
    expect(seconds).toBeLessThan(15)
  })

  test('runs a 32-bit program beside 64-bit ones', async () => {
    expect(await guest.run('dd if=/bin/busybox32 bs=1 skip=4 count=1 2>/dev/null | od -An -tu1')).toBe('   1')
    expect(await guest.run('busybox32 expr 65536 / 3; busybox32 echo $((1 << 40)) | busybox cat')).toBe('21845\n1099511627776')
    expect(await guest.run('cat /tmp/note | busybox32 md5sum')).toBe(await guest.run('md5sum < /tmp/note'))
  })

  test('boots again on reboot, and ends the process with 0 on poweroff', { timeout: BOOT_TIMEOUT }, async () => {
    guest.type('touch /tmp/before; reboot\n')
    await guest.waitFor(/Linux version/, BOOT_TIMEOUT)
    await guest.booted()
    expect(await guest.run('ls /tmp')).toBe('')
    guest.type('poweroff\n')
    await guest.waitFor(/Power down/)
    expect(await guest.exit).toBe(0)
  })
})
