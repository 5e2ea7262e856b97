import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatNamed, MemoryStore } from '@entresol/block'
import { afterAll, describe, expect, test } from 'vitest'
import { openDrive } from '../../src/drives/open-drive.ts'
import { parseCommandLine } from '../../src/options/index.ts'

const folder = await mkdtemp(join(tmpdir(), 'entresol-drive-'))
afterAll(() => rm(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)

/** Opens what a -drive says. */
async function open(text: string, warn: (line: string) => void = () => {}) {
  const [drive] = parseCommandLine(['-drive', text]).drives
  return openDrive({ ...drive!, file: drive!.file! }, warn, { writeThrough: false })
}

async function raw(name: string, bytes = 1 << 20): Promise<string> {
  await writeFile(at(name), '')
  await truncate(at(name), bytes)
  return at(name)
}

/** The first bytes of a qcow2 image. */
async function qcow2Header(): Promise<Uint8Array> {
  const store = new MemoryStore()
  await formatNamed('qcow2').create!(store, { size: 1 << 20 })
  const bytes = new Uint8Array(512)
  await store.read(0, bytes)
  return bytes
}

describe('drives', () => {
  test('a guest cannot turn an image that was taken for raw into another format; one that was said to be raw it can', async () => {
    const header = await qcow2Header()
    const warned: string[] = []
    const guessed = await open(`file=${await raw('guessed')}`, (line) => warned.push(line))
    await expect(guessed.write(0, header)).rejects.toMatchObject({ code: 'guessed-raw' })
    await guessed.write(512, header)
    await guessed.write(0, new Uint8Array(512).fill(1))
    await guessed.close()
    expect(warned).toEqual([`-drive: ${at('guessed')}: the guest may not turn it into qcow2; say format=raw if it is to`])
    const said = await open(`file=${await raw('said')},format=raw`)
    await said.write(0, header)
    await said.close()
    expect((await readFile(at('said'))).subarray(0, 512)).toEqual(Buffer.from(header))
  })

  test('snapshot=on keeps writes from the image', async () => {
    const disk = await open(`file=${await raw('snapshot')},format=raw,snapshot=on`)
    await disk.write(4096, new Uint8Array(512).fill(7))
    const bytes = new Uint8Array(1024)
    await disk.read(4096, bytes)
    expect([bytes[0], bytes[511], bytes[512]]).toEqual([7, 7, 0])
    await disk.close()
    expect((await readFile(at('snapshot'))).every((byte) => byte === 0)).toBe(true)
  })

  test('discards reach the image only with discard=unmap', async () => {
    for (const [options, kept] of [['', true], [',discard=unmap', false]] as const) {
      const disk = await open(`file=${await raw('discarded')},format=raw${options}`)
      await disk.write(0, new Uint8Array(1 << 20).fill(1))
      await disk.discard(0, 1 << 20)
      await disk.close()
      expect((await readFile(at('discarded')))[70_000] === 1).toBe(kept)
    }
  })

  test('detect-zeroes makes zeroes of writes of zeroes', async () => {
    const disk = await open(`file=${await raw('zeroes')},format=raw,detect-zeroes=unmap,discard=unmap`)
    await disk.write(0, new Uint8Array(1 << 20).fill(1))
    await disk.write(0, new Uint8Array(1 << 20))
    const bytes = new Uint8Array(512)
    await disk.read(65536, bytes)
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    await disk.close()
  })

  test('an image in use, one that is empty and one that is of another format are each one line', async () => {
    const disk = await open(`file=${await raw('used')},format=raw`)
    await disk.close()
    await writeFile(at('empty'), '')
    await expect(open(`file=${at('empty')}`)).rejects.toThrow(`-drive: ${at('empty')}: is empty`)
    await expect(open(`file=${await raw('other')},format=qcow2`)).rejects.toThrow(/^-drive: \S*other: /)
    await expect(open('file=nbd://[')).rejects.toThrow(/^-drive: /)
  })
})
