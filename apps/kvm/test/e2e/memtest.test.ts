import { readFile } from 'node:fs/promises'
import { Machine, screenText } from '@entresol/machine'
import { describe, expect, test } from 'vitest'
import { guestFiles } from './guests.ts'
import { Program } from './program.ts'

const guests = await guestFiles('memtest')
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Number of the test that is running, from the line "#4  [Moving inversions, 8 bit pattern]". */
const testNumber = (text: string): number => Math.max(-1, ...[...text.matchAll(/#(\d+) +\[\w/g)].map((match) => Number(match[1])))

describe.skipIf(!guests)('memtest86+ 6', () => {
  test('64-bit: its screen shows tests 1 to 3 pass by without an error', { timeout: 240_000 }, async () => {
    const machine = new Machine({ kernel: await readFile(guests!['memtest']!['x64']!), memory: 64 << 20 })
    await machine.boot()
    let screen = ''
    while (testNumber(screen) < 4) {
      await pause(200)
      screen = screenText(machine.display!)?.join('\n') ?? ''
    }
    await machine.stop()
    expect(screen).toContain('Memtest86+ v6')
    expect(screen).toMatch(/Pass: +0 +Errors: 0\b/)
  })

  test('32-bit: so does its serial console', { timeout: 240_000 }, async () => {
    const program = new Program(['-kernel', guests!['memtest']!['ia32']!, '-m', '64', '-append', 'console=ttyS0,115200', '-nographic'])
    await program.waitFor('Memtest86+')
    await program.waitFor(/#4 +\[Moving inversions/)
    expect(await program.waitFor(/Errors: \d+/)).toMatch(/Errors: 0$/)
    expect(await program.terminate()).toMatchObject({ code: 0, stderr: '' })
  })
})
