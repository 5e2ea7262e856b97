import { blockBackendSuite, describeSuite } from '@entresol/compliance'
import { describe, expect, it } from 'vitest'
import { MemoryFiles, openImage } from '../../src/index.ts'
import type { ImageBackend, ImageFormat } from '../../src/index.ts'
import { disagreement, Model, perform, randomSteps, SECTOR, seeded, type Step } from './history.ts'
import { describePowerCuts } from './laws.ts'

const SIZE = 3 * 2 ** 20
const SECTORS = SIZE / SECTOR

export interface DifferencingCase {
  readonly title: string
  readonly format: ImageFormat
  /** Ending of the names of image files. */
  readonly ending: string
  /** So that the base has exactly the size asked for. */
  readonly baseOptions: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  /** Bytes of the smallest piece a difference can hold. */
  readonly unit: number
  /** Whether a change of the parent is noticed. */
  readonly noticesChange: boolean
}

/** Laws of images that are a difference to another of their format. */
export function describeDifferencing({ title, format, ending, baseOptions, options, unit, noticesChange }: DifferencingCase): void {
  const random = seeded(3)
  const identifiers = (into: Uint8Array): void => { for (let at = 0; at < into.length; at++) into[at] = random(256) }
  const path = (name: string): string => `folder/${name}${ending}`

  async function make(files: MemoryFiles, name: string, below?: string): Promise<void> {
    const store = await files.open(path(name), { readOnly: false, create: true })
    await format.create!(store, {
      size: SIZE, random: identifiers, fileName: `${name}${ending}`, options: below === undefined ? baseOptions : options,
      openFile: (other) => files.open(`folder/${other}`, { readOnly: true }), ...(below !== undefined && { backing: { name: `${below}${ending}` } }),
    })
    await store.close()
  }
  const open = (files: MemoryFiles, name: string): Promise<ImageBackend> => openImage(path(name), { files })

  async function change(files: MemoryFiles, name: string, steps: readonly Step[], model: Model, first = 1): Promise<void> {
    const image = await open(files, name)
    for (const [index, step] of steps.entries()) {
      model.begin(step, first + index)
      await perform(image, step, first + index)
      model.end(step, first + index)
    }
    await image.close()
    const again = await open(files, name)
    expect(await disagreement(again, model.now), name).toBe(undefined)
    await again.close()
  }

  describe(title, () => {
    describeSuite(blockBackendSuite, async () => {
      const files = new MemoryFiles()
      await make(files, 'base')
      await make(files, 'child', 'base')
      return { backend: await open(files, 'child') }
    }, { describe, it })

    describePowerCuts({
      title, format, file: `child${ending}`, options, base: baseOptions, size: SIZE, peerChecks: false, largest: 65536,
    })

    it('says what it is a difference to', async () => {
      const files = new MemoryFiles()
      await make(files, 'base')
      await make(files, 'child', 'base')
      const image = await open(files, 'child')
      expect(image.backing).toMatchObject({ name: `base${ending}`, format: format.name })
      expect(image.backing?.image?.size).toBe(SIZE)
      expect(image.size).toBe(SIZE)
    })

    it('keeps random histories over parents with content, and leaves those as they were', async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const files = new MemoryFiles()
        const model = new Model(SECTORS)
        const steps = (more: number, count: number): Step[] => randomSteps({ seed: seed * 10 + more, steps: count, sectors: SECTORS, largest: 2048 })
        await make(files, 'base')
        await change(files, 'base', steps(1, 20), model)
        const base = model.copy()
        await make(files, 'middle', 'base')
        await change(files, 'middle', steps(2, 20), model, 21)
        await make(files, 'child', 'middle')
        await change(files, 'child', steps(3, 60), model, 41)
        await change(files, 'child', steps(4, 20), model, 101)
        expect(await disagreement(await open(files, 'base'), base.now)).toBe(undefined)
      }
    })

    it('holds what is written only', async () => {
      const files = new MemoryFiles()
      const model = new Model(SECTORS)
      await make(files, 'base')
      await change(files, 'base', [{ kind: 'write', first: 0, count: 1024 }], model)
      await make(files, 'child', 'base')
      const at = (2 * unit) / SECTOR
      await change(files, 'child', [{ kind: 'write', first: at, count: 1 }], model, 2)
      const child = await open(files, 'child')
      expect(await child.status(0, SIZE)).toMatchObject({ length: 2 * unit, allocated: false, zero: false })
      expect(await child.status(2 * unit, SIZE - 2 * unit)).toMatchObject({ length: unit, allocated: true })
    })

    it('zeroes hide the parent', async () => {
      const files = new MemoryFiles()
      const model = new Model(SECTORS)
      await make(files, 'base')
      await change(files, 'base', [{ kind: 'write', first: 0, count: SECTORS }], model)
      await make(files, 'child', 'base')
      await change(files, 'child', [
        { kind: 'unmap', first: 1, count: 2 }, { kind: 'zero', first: 300, count: 1 }, { kind: 'unmap', first: 400, count: SECTORS - 500 },
        { kind: 'write', first: 2100, count: 5 }, { kind: 'write', first: 4100, count: 5 },
      ], model, 2)
    })

    it('refuses a parent that is another disk, and reads nothing of one that is not there', async () => {
      const files = new MemoryFiles()
      await make(files, 'base')
      await make(files, 'child', 'base')
      const alone = await openImage(path('child'), { files, backing: false })
      await expect(alone.read(0, new Uint8Array(512))).rejects.toMatchObject({ code: 'no-backing' })
      await make(files, 'base')
      await expect(open(files, 'child')).rejects.toMatchObject({ code: 'bad-image' })
    })

    if (noticesChange) it('refuses a parent that has changed', async () => {
      const files = new MemoryFiles()
      await make(files, 'base')
      await make(files, 'child', 'base')
      await (await open(files, 'child')).close()
      await change(files, 'base', [{ kind: 'write', first: 0, count: 1 }], new Model(SECTORS))
      await expect(open(files, 'child')).rejects.toMatchObject({ code: 'bad-image' })
    })
  })
}
