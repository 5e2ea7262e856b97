import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

const files = await fetched('generic')

describe.skipIf(files === undefined)("Debian's generic amd64 kernel", { timeout: BOOT_TIMEOUT }, () => {
  let guest: RunningGuest
  beforeAll(() => void (guest = start(files!, '-m', '512M', '-no-reboot')))
  afterAll(() => guest.kill())

  test('boots to a shell, and reboot ends a machine started with -no-reboot', async () => {
    await guest.booted()
    expect(await guest.run('uname -r')).toMatch(/-amd64$/)
    expect(complaints(await guest.run('dmesg -r'))).toEqual([])
    guest.type('reboot\n')
    await guest.waitFor(/reboot: Restarting system/)
    expect(await guest.exit).toBe(0)
  })
})
