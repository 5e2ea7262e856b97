import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { Program, run } from './program.ts'

const folder = await mkdtemp(join(tmpdir(), 'entresol-ends-'))
afterAll(() => rm(folder, { recursive: true }))

/** A BIOS image of 64 KiB that does `code` in real mode at F000:0000. */
async function bios(name: string, code: readonly number[]): Promise<string> {
  const image = new Uint8Array(0x10000)
  image.set(code)
  image.set([0xea, 0x00, 0x00, 0x00, 0xf0], 0xfff0)
  const path = join(folder, name)
  await writeFile(path, image)
  return path
}

const quiet = ['-display', 'none', '-serial', 'null', '-monitor', 'none', '-m', '1']
/** cs lidt [100h] with a limit of 0; int3: #GP, #DF, shutdown. */
const TRIPLE_FAULT = [0x2e, 0x0f, 0x01, 0x1e, 0x00, 0x01, 0xcc]

describe('how the process ends', { timeout: 60_000 }, () => {
  test('isa-debug-exit ends it with value * 2 + 1', async () => {
    const image = await bios('exit', [0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4])
    expect(await run(['-bios', image, '-device', 'isa-debug-exit', ...quiet])).toEqual({ code: 85, stdout: '', stderr: '' })
  })

  test('isa-debug-exit is where iobase says', async () => {
    const image = await bios('exit-f4', [0xb0, 0x10, 0xe6, 0xf4, 0xf4])
    expect((await run(['-bios', image, '-device', 'isa-debug-exit,iobase=0xf4,iosize=4', ...quiet])).code).toBe(33)
  })

  test('a triple fault with -no-reboot is not 0 and shows the registers', async () => {
    const { code, stderr } = await run(['-bios', await bios('triple', TRIPLE_FAULT), '-no-reboot', ...quiet])
    expect(code).toBe(1)
    expect(stderr).toMatch(/triple fault\n/)
    expect(stderr).toMatch(/RIP=0*6 /)
    expect(stderr).toMatch(/CS =f000/)
  })

  test('a triple fault without it starts the firmware again', async () => {
    // Each start prints a letter.
    const program = new Program(['-bios', await bios('again', [0xb0, 0x52, 0xe6, 0xe9, ...TRIPLE_FAULT]), '-debugcon', 'stdio', '-display', 'none', '-m', '1'])
    await program.waitFor('RRRRR')
    expect((await program.terminate()).code).toBe(0)
  })

  test('a reset with -no-reboot ends it with 0', async () => {
    const image = await bios('reset', [0xb0, 0xfe, 0xe6, 0x64, 0xf4])
    expect(await run(['-bios', image, '-no-reboot', ...quiet])).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})
