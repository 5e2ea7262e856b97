import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BOOT_TIMEOUT, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

const files = await fetched('netboot')

describe.skipIf(files === undefined)("Debian's installer, network boot", { timeout: BOOT_TIMEOUT }, () => {
  let guest: RunningGuest
  beforeAll(() => void (guest = start(files!, '-m', '1024M', '-no-reboot')))
  afterAll(() => guest.kill())

  test('asks for the language on the serial console, and Enter leads on', async () => {
    expect(await guest.waitFor(/Select a language[^]*Choose the language/, BOOT_TIMEOUT)).toMatch(/Linux version/)
    guest.type('\r')
    await guest.waitFor(/Select your location|country, territory or area/)
  })
})
