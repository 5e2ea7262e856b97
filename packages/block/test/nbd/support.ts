import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { MemoryStore } from '../../src/stores/memory-store.ts'
import { RawImage } from '../../src/raw/raw.ts'
import { streamDuplex } from '../../src/nbd/web-duplex.ts'
import type { ByteDuplex } from '../../src/nbd/duplex.ts'
import { connectionLost } from '../../src/nbd/reader.ts'

/** Two ends of a connection in this process, with room for a few messages. */
export function duplexPair(): [ByteDuplex, ByteDuplex] {
  const there = new Pipe()
  const back = new Pipe()
  return [new End(back, there), new End(there, back)]
}

/** The same over web streams, as in a browser. */
export function streamPair(): [ByteDuplex, ByteDuplex] {
  const [there, back] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()]
  return [streamDuplex({ readable: back.readable, writable: there.writable }), streamDuplex({ readable: there.readable, writable: back.writable })]
}

class Pipe {
  readonly chunks: Uint8Array[] = []
  closed = false
  #wake: (() => void)[] = []

  change(): Promise<void> {
    return new Promise(resolve => void this.#wake.push(resolve))
  }

  changed(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

class End implements ByteDuplex {
  readonly #from: Pipe
  readonly #to: Pipe
  constructor(from: Pipe, to: Pipe) {
    this.#from = from
    this.#to = to
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#from.chunks.length === 0 && !this.#from.closed) await this.#from.change()
    const chunk = this.#from.chunks.shift()
    this.#from.changed()
    return chunk
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#to.closed) throw connectionLost('closed')
    this.#to.chunks.push(...chunks.filter(({ length }) => length > 0).map(chunk => chunk.slice()))
    this.#to.changed()
    while (this.#to.chunks.length > 8 && !this.#to.closed) await this.#to.change()
  }

  close(): void {
    for (const pipe of [this.#from, this.#to]) {
      pipe.closed = true
      pipe.changed()
    }
  }
}

export const memoryDisk = (size: number): RawImage => {
  const store = new MemoryStore()
  void store.truncate(size)
  return new RawImage(store)
}

export const pattern = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let at = 0, state = seed; at < length; at++) bytes[at] = (state = Math.imul(state, 1664525) + 1013904223 | 0) >>> 24
  return bytes
}

/** Runs a program of the host; what it printed, or why not. */
export async function run(program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await promisify(execFile)(program, args, { timeout: 60_000, maxBuffer: 64 << 20 })) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number | string; stdout: string; stderr: string }
    return { code: typeof code === 'number' ? code : -1, stdout, stderr: stderr || String(code) }
  }
}

export async function missing(program: string): Promise<string | undefined> {
  return (await run('sh', '-c', `command -v ${program}`)).code === 0 ? undefined : `${program} is not installed`
}

/** A folder of its own, removed by `remove`. */
export function temporary(): { path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'entresol-nbd-'))
  return { path: name => join(folder, name), remove: () => rmSync(folder, { recursive: true }) }
}
