import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError } from '@entresol/kit'
import { afterAll, describe, expect, test } from 'vitest'
import { findFirmware } from '../../src/firmware.ts'
import { guestFiles } from './guests.ts'
import { run } from './program.ts'

const guests = await guestFiles('cloud')
const folder = await mkdtemp(join(tmpdir(), 'entresol-mistakes-'))
afterAll(() => rm(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)

// Bytes without a pattern that any loader knows.
let seed = 1
const noise = Uint8Array.from({ length: 100_000 }, () => (seed = (seed * 48271) % 0x7fffffff) & 0xff)
await writeFile(at('noise'), noise)
await writeFile(at('empty'), new Uint8Array(0))
await mkdir(at('folder'))

/** One line, an exit code that is not 0, nothing of a stack trace. */
async function mistake(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stdout, lines: stderr.split('\n').length }, stderr).toEqual({ code: 1, stdout: '', lines: 2 })
  expect(stderr).toMatch(/^entresol-kvm: /)
  expect(stderr).not.toMatch(/\bat \S+ \(|node:|\.ts:|\.js:/)
  return stderr.trim()
}

describe('a mistake is one line on standard error and an exit code of 1', { timeout: 60_000 }, () => {
  test('files that are missing, or are folders', async () => {
    for (const option of ['-kernel', '-bios', '-hda', '-cdrom']) {
      expect(await mistake([option, at('missing')])).toBe(`entresol-kvm: ${option}: ${at('missing')}: no such file`)
      expect(await mistake([option, at('folder')])).toBe(`entresol-kvm: ${option}: ${at('folder')}: is a directory`)
    }
  })

  test('kernels and BIOS images that are none', async () => {
    for (const name of ['noise', 'empty']) {
      expect(await mistake(['-kernel', at(name)])).toMatch(/is no Linux bzImage, ELF executable or multiboot image/)
      expect(await mistake(['-bios', at(name)])).toMatch(/firmware image of .* must be 64 KiB to 16 MiB/)
    }
    expect(await mistake(['-hda', at('empty')])).toBe(`entresol-kvm: -hda: ${at('empty')}: is empty`)
  })

  test('CPUs and memory that cannot be', async () => {
    expect(await mistake(['-kernel', at('noise'), '-cpu', 'x86-64-v22'])).toMatch(/unknown CPU model 'x86-64-v22'.*x86-64-v2/)
    expect(await mistake(['-kernel', at('noise'), '-cpu', 'max,+avx3'])).toMatch(/avx3.*avx2?/)
    expect(await mistake(['-kernel', at('noise'), '-m', '0'])).toMatch(/-m: 0 is not enough memory/)
    expect(await mistake(['-kernel', at('noise'), '-m', '64G'])).toMatch(/-m: 64G is too much memory/)
  })

  test.skipIf(!guests)('a kernel that is cut off, an initrd that does not fit, memory that the kernel does not fit into', async () => {
    const kernel = guests!['cloud']!['kernel']!
    await writeFile(at('cut'), (await readFile(kernel)).subarray(0, 5_000_000))
    expect(await mistake(['-kernel', at('cut')])).toMatch(/truncated/)
    await writeFile(at('large'), '')
    await truncate(at('large'), 80 << 20)
    expect(await mistake(['-kernel', kernel, '-initrd', at('large'), '-m', '128'])).toMatch(/initrd of 80 MiB does not fit/)
    expect(await mistake(['-kernel', kernel, '-m', '8'])).toMatch(/give the guest more memory/)
  })

  test('nothing to boot with: says which package and which options', async () => {
    const error = await findFirmware(undefined, [folder]).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CodedError)
    expect((error as CodedError).message).toMatch(/install the package seabios.*-bios.*-kernel/)
  })
})
