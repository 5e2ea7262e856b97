import { writeFileSync } from 'node:fs'
import { afterAll, expect, it } from 'vitest'
import { must, qemuImg, qemuIo, qemuMissing, temporary } from './support.ts'

const folder = temporary()
const path = folder.path
afterAll(() => folder.remove())

const MIB = 1 << 20

/** A disk of a few images: qemu-io writes, entresol-img does everything else, and `model` is what must come out. */
class History {
  #state: number
  #files = 0
  model: Buffer
  /** Chain, topmost last. */
  chain: string[] = []
  readonly snapshots = new Map<string, Buffer>()
  readonly log: string[] = []

  constructor(seed: number) {
    this.#state = seed
    this.model = Buffer.alloc(3 * MIB)
  }

  get top(): string {
    return this.chain.at(-1)!
  }

  below(limit: number): number {
    this.#state = Math.imul(this.#state, 1664525) + 1013904223 | 0
    return Math.floor((this.#state >>> 0) / 2 ** 32 * limit)
  }

  async img(...words: string[]): Promise<void> {
    this.log.push(words.join(' '))
    await must(...words)
  }

  fresh(): string {
    return path(`h${this.#files++}`)
  }

  async begin(): Promise<void> {
    this.chain = [this.fresh()]
    const options = ['cluster_size=64k', 'cluster_size=4k,lazy_refcounts=on', 'cluster_size=512,compat=0.10']
    await this.img('create', '-q', '-f', 'qcow2', '-o', options[this.below(3)]!, this.top, String(this.model.length))
  }

  async write(): Promise<void> {
    const script = Array.from({ length: 1 + this.below(3) }, () => {
      const offset = this.below(this.model.length / 512) * 512
      const length = Math.min(this.model.length - offset, (1 + this.below(400)) * 512)
      const value = this.below(3) === 0 ? 0 : 1 + this.below(255)
      this.model.fill(value, offset, offset + length)
      return value === 0 && this.below(2) === 0 ? `write -z ${offset} ${length}` : `write -P ${value} ${offset} ${length}`
    })
    this.log.push(...script)
    await qemuIo(this.top, ...script)
  }

  async overlay(): Promise<void> {
    const made = this.fresh()
    await this.img('create', '-q', '-f', 'qcow2', '-b', this.top, '-F', 'qcow2', made)
    this.chain.push(made)
    this.snapshots.clear()
  }

  async snapshot(): Promise<void> {
    const name = `s${this.log.length}`
    await this.img('snapshot', '-c', name, this.top)
    this.snapshots.set(name, Buffer.from(this.model))
  }

  async goBack(): Promise<void> {
    const names = [...this.snapshots.keys()]
    if (names.length === 0) return this.snapshot()
    const name = names[this.below(names.length)]!
    const remove = this.below(2) === 0
    await this.img('snapshot', remove ? '-d' : '-a', name, this.top)
    if (remove) this.snapshots.delete(name)
    else this.model = Buffer.from(this.snapshots.get(name)!)
  }

  async commit(): Promise<void> {
    // Emptying an image with snapshots is not for a commit to do.
    if (this.chain.length < 2 || this.snapshots.size > 0) return this.overlay()
    await this.img('commit', '-q', this.top)
  }

  async rebase(): Promise<void> {
    if (this.chain.length < 2) return this.overlay()
    const onto = this.chain[this.below(this.chain.length - 1)]!
    await this.img('rebase', '-b', onto, '-F', 'qcow2', this.top)
    this.chain = [...this.chain.slice(0, this.chain.indexOf(onto) + 1), this.top]
  }

  async resize(): Promise<void> {
    if (this.snapshots.size > 0) return this.write()
    const size = (1 + this.below(8 * MIB / 512)) * 512
    await this.img('resize', '-q', '--shrink', this.top, String(size))
    const before = this.model
    this.model = Buffer.alloc(size)
    before.copy(this.model)
  }

  async convert(): Promise<void> {
    const made = this.fresh()
    const how = [[], ['-c'], ['-S', '0'], ['-o', 'cluster_size=128k'], ['-W', '-m', '3']][this.below(5)]!
    await this.img('convert', '-O', 'qcow2', ...how, this.top, made)
    this.chain = [made]
    this.snapshots.clear()
  }

  async mustHold(): Promise<void> {
    writeFileSync(path('model'), this.model)
    for (const image of this.chain) expect(await qemuImg('check', '-q', image), this.log.join('\n')).toMatchObject({ code: 0 })
    expect((await qemuImg('compare', '-f', 'raw', path('model'), this.top)).out, this.log.join('\n')).toBe('Images are identical.\n')
  }
}

it.for([1, 2])('a disk written by qemu-io and changed by entresol-img stays what it must be, history %i', { timeout: 120_000 }, async (seed, context) => {
  const reason = await qemuMissing()
  if (reason !== undefined) context.skip(reason)
  const history = new History(seed)
  await history.begin()
  for (let step = 0; step < 14; step++) {
    const kind = history.below(10)
    const steps = [history.write, history.write, history.write, history.overlay, history.snapshot, history.goBack, history.commit, history.rebase, history.resize, history.convert]
    await steps[kind]!.call(history)
    await history.mustHold()
  }
})
