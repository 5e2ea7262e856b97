import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANSWER_TIMEOUT, BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

const files = await fetched('i386')

describe.skipIf(files === undefined)("Debian's 686 kernel", { timeout: 4 * ANSWER_TIMEOUT }, () => {
  let guest: RunningGuest
  beforeAll(() => void (guest = start(files!, '-m', '512M')))
  afterAll(() => guest.kill())

  test('boots to a shell', { timeout: BOOT_TIMEOUT }, async () => {
    await guest.booted()
    expect(await guest.run('uname -m')).toMatch(/^i[56]86$/)
  })

  test('has no complaints about the machine in dmesg', async () => {
    expect(complaints(await guest.run('dmesg -r'))).toEqual([])
  })

  test('runs pipes, floating point and job control', async () => {
    expect(await guest.run("seq 1 1000 | awk '{ s += $1 * $1 } END { print s, s / 3 }'")).toBe('333833500 1.11278e+08')
    await guest.run('sleep 100 &')
    guest.type('fg\n')
    await guest.waitFor(/sleep 100\n/)
    await guest.untilPrompt('\x03')
    expect(await guest.run('echo $?')).toBe('130')
  })

  test('ends the process with 0 on poweroff', async () => {
    guest.type('poweroff\n')
    await guest.waitFor(/Power down/)
    expect(await guest.exit).toBe(0)
  })
})
