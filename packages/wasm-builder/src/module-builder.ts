import { CodedError } from '@entresol/kit'
import { FunctionBuilder } from './function-builder.ts'
import { unsignedLeb } from './leb128.ts'
import { VALUE_TYPE_CODE } from './types.ts'
import type { FunctionType, ValueType } from './types.ts'

interface MemoryImport {
  module: string
  name: string
  initialPages: number
  maximumPages: number
  shared: boolean
}

/** Collects types, imports, functions, one internal funcref table and exports; encodes them as a WebAssembly binary. */
export class ModuleBuilder {
  readonly #types: string[] = []
  readonly #typeBytes: number[][] = []
  readonly #imports: { module: string; name: string; type: number }[] = []
  readonly #functions: { type: number; builder: FunctionBuilder }[] = []
  readonly #exports: { name: string; index: number }[] = []
  readonly #globals: { module: string; name: string; type: ValueType }[] = []
  #memory: MemoryImport | undefined
  #table: (number | undefined)[] | undefined

  typeIndex(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`
    let index = this.#types.indexOf(key)
    if (index < 0) {
      index = this.#types.push(key) - 1
      const list = (types: readonly ValueType[]): number[] => [...unsignedLeb(types.length), ...types.map((t) => VALUE_TYPE_CODE[t])]
      this.#typeBytes.push([0x60, ...list(params), ...list(results)])
    }
    return index
  }

  importMemory(module: string, name: string, initialPages: number, maximumPages: number, shared: boolean): void {
    this.#memory = { module, name, initialPages, maximumPages, shared }
  }

  /** Imports must all come before the first `func`. Returns the function index. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.#functions.length) throw new CodedError('wasm-import-order', `import ${module}.${name} after the first function`)
    return this.#imports.push({ module, name, type: this.typeIndex(type.params, type.results) }) - 1
  }

  /** Imports a mutable global; returns its index among globals. */
  importGlobal(module: string, name: string, type: ValueType): number {
    return this.#globals.push({ module, name, type }) - 1
  }

  /** Declares a function and returns its index; the body may be written at any time before `encode`. */
  func(type: FunctionType, exportName?: string): { index: number; builder: FunctionBuilder } {
    const builder = new FunctionBuilder(type)
    const index = this.#imports.length + this.#functions.push({ type: this.typeIndex(type.params, type.results), builder }) - 1
    if (exportName !== undefined) this.#exports.push({ name: exportName, index })
    return { index, builder }
  }

  /** The module's own funcref table 0: slot n calls function `slots[n]`; undefined slots trap. */
  table(slots: (number | undefined)[]): void {
    this.#table = slots
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out: number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]
    const push = (bytes: readonly number[]): void => {
      for (const byte of bytes) out.push(byte)
    }
    const section = (id: number, entries: readonly (readonly number[])[]): void => {
      const count = unsignedLeb(entries.length)
      const size = entries.reduce((sum, e) => sum + e.length, count.length)
      push([id, ...unsignedLeb(size), ...count])
      for (const entry of entries) push(entry)
    }
    const text = (value: string): number[] => {
      const bytes = new TextEncoder().encode(value)
      return [...unsignedLeb(bytes.length), ...bytes]
    }
    section(1, this.#typeBytes)
    const imports = this.#imports.map((i) => [...text(i.module), ...text(i.name), 0x00, ...unsignedLeb(i.type)])
    for (const g of this.#globals) imports.push([...text(g.module), ...text(g.name), 0x03, VALUE_TYPE_CODE[g.type], 0x01])
    const memory = this.#memory
    if (memory) {
      imports.push([...text(memory.module), ...text(memory.name), 0x02, memory.shared ? 0x03 : 0x01,
        ...unsignedLeb(memory.initialPages), ...unsignedLeb(memory.maximumPages)])
    }
    section(2, imports)
    section(3, this.#functions.map((f) => unsignedLeb(f.type)))
    if (this.#table) section(4, [[0x70, 0x01, ...unsignedLeb(this.#table.length), ...unsignedLeb(this.#table.length)]])
    section(7, this.#exports.map((e) => [...text(e.name), 0x00, ...unsignedLeb(e.index)]))
    if (this.#table) {
      const runs: number[][] = []
      for (let start = 0; start < this.#table.length;) {
        if (this.#table[start] === undefined) {
          start++
          continue
        }
        let end = start
        while (end < this.#table.length && this.#table[end] !== undefined) end++
        const slots = this.#table.slice(start, end) as number[]
        runs.push([0x00, 0x41, ...signed(start), 0x0b, ...unsignedLeb(slots.length), ...slots.flatMap((s) => unsignedLeb(s))])
        start = end
      }
      section(9, runs)
    }
    section(10, this.#functions.map((f) => f.builder.encode()))
    return Uint8Array.from(out)
  }
}

const signed = (value: number): number[] => {
  const bytes = unsignedLeb(value)
  // A positive signed LEB needs bit 6 of its last byte clear.
  if (bytes.at(-1)! & 0x40) {
    bytes[bytes.length - 1]! |= 0x80
    bytes.push(0)
  }
  return bytes
}
