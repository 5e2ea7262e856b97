import { CodedError } from '@entresol/kit'
import { ByteWriter } from './byte-writer.ts'
import { FunctionBuilder } from './function-builder.ts'
import type { FunctionBody } from './function-builder.ts'
import { VALUE_TYPE_CODE } from './types.ts'
import type { FunctionType, ValueType } from './types.ts'

type Entry = (out: ByteWriter) => void

const FUNCTION = 0x00
const TABLE = 0x01
const MEMORY = 0x02
const GLOBAL = 0x03
const FUNCREF = 0x70
const END = 0x0b

/** Collects types, imports, functions, funcref tables and exports; encodes them as a WebAssembly binary. */
export class ModuleBuilder {
  readonly #types = new Map<string, number>()
  readonly #typeEntries: Entry[] = []
  readonly #imports: Entry[] = []
  readonly #functions: { type: number; builder: FunctionBuilder }[] = []
  readonly #exports: Entry[] = []
  readonly #names = new Map<number, string>()
  #importedFunctions = 0
  #importedGlobals = 0
  #importedTables = 0
  #table: readonly (number | undefined)[] | undefined

  typeIndex(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`
    let index = this.#types.get(key)
    if (index === undefined) {
      index = this.#types.size
      this.#types.set(key, index)
      this.#typeEntries.push((out) => {
        out.u8(0x60)
        for (const types of [params, results]) {
          out.u32(types.length)
          for (const type of types) out.u8(VALUE_TYPE_CODE[type])
        }
      })
    }
    return index
  }

  #import(module: string, name: string, kind: number, description: Entry): void {
    this.#imports.push((out) => {
      out.name(module)
      out.name(name)
      out.u8(kind)
      description(out)
    })
  }

  importMemory(module: string, name: string, initialPages: number, maximumPages: number, shared: boolean): void {
    this.#import(module, name, MEMORY, (out) => {
      out.u8(shared ? 0x03 : 0x01)
      out.u32(initialPages)
      out.u32(maximumPages)
    })
  }

  /** Imports must all come before the first `func`. Returns the function index. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.#functions.length) throw new CodedError('wasm-import-order', `import ${module}.${name} after the first function`)
    const index = this.typeIndex(type.params, type.results)
    this.#import(module, name, FUNCTION, (out) => out.u32(index))
    return this.#importedFunctions++
  }

  /** Imports a mutable global; returns its index among globals. */
  importGlobal(module: string, name: string, type: ValueType): number {
    this.#import(module, name, GLOBAL, (out) => {
      out.u8(VALUE_TYPE_CODE[type])
      out.u8(0x01)
    })
    return this.#importedGlobals++
  }

  /** Imports a funcref table of at least `minimum` elements; returns its index. Must come before `table`. */
  importTable(module: string, name: string, minimum: number, maximum?: number): number {
    if (this.#table) throw new CodedError('wasm-import-order', `import ${module}.${name} after the module's own table`)
    this.#import(module, name, TABLE, (out) => {
      out.u8(FUNCREF)
      out.u8(maximum === undefined ? 0x00 : 0x01)
      out.u32(minimum)
      if (maximum !== undefined) out.u32(maximum)
    })
    return this.#importedTables++
  }

  /** Declares a function and returns its index; the body may be written at any time before `encode`. */
  func(type: FunctionType, exportName?: string): { index: number; builder: FunctionBuilder } {
    const builder = new FunctionBuilder(type)
    const index = this.#importedFunctions + this.#functions.push({ type: this.typeIndex(type.params, type.results), builder }) - 1
    if (exportName !== undefined) this.exportFunction(exportName, index)
    return { index, builder }
  }

  /** Exports a function, imported or own, under one more name. */
  exportFunction(name: string, index: number): void {
    this.#export(name, FUNCTION, index)
  }

  #export(name: string, kind: number, index: number): void {
    this.#exports.push((out) => {
      out.name(name)
      out.u8(kind)
      out.u32(index)
    })
  }

  /** Exports a table by index. */
  exportTable(name: string, index: number): void {
    this.#exports.push((out) => {
      out.name(name)
      out.u8(TABLE)
      out.u32(index)
    })
  }

  /** Name of a function in stack traces and profilers. */
  nameFunction(index: number, name: string): void {
    this.#names.set(index, name)
  }

  /** The module's own funcref table: slot n calls function `slots[n]`; undefined slots trap. Returns its index, 0 if no table is imported. */
  table(slots: readonly (number | undefined)[], exportName?: string): number {
    this.#table = slots
    if (exportName !== undefined) this.#export(exportName, TABLE, this.#importedTables)
    return this.#importedTables
  }

  /** The binary (Core Specification 5.5). Ends all function bodies: call it once. */
  encode(): Uint8Array<ArrayBuffer> {
    const bodies = this.#functions.map((f) => f.builder.finish())
    const out = new ByteWriter(bodies.reduce((sum, body) => sum + body.code.length + 16, 1024))
    out.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
    vector(out, 1, this.#typeEntries)
    vector(out, 2, this.#imports)
    vector(out, 3, this.#functions.map((f): Entry => (w) => w.u32(f.type)))
    if (this.#table) vector(out, 4, [tableType(this.#table.length)])
    vector(out, 7, this.#exports)
    if (this.#table) vector(out, 9, elements(this.#importedTables, this.#table))
    this.#branchHints(out, bodies)
    vector(out, 10, bodies.map((body): Entry => (w) => {
      w.u32(body.locals.length + body.code.length)
      w.append(body.locals)
      w.append(body.code)
    }))
    this.#nameSection(out)
    return out.bytes.slice()
  }

  /** Custom section `metadata.code.branch_hint` (Branch Hinting proposal): before the code section, functions and offsets ascending. */
  #branchHints(out: ByteWriter, bodies: readonly FunctionBody[]): void {
    const hinted = bodies.map((body, n) => ({ index: this.#importedFunctions + n, hints: body.hints })).filter(({ hints }) => hints.length > 0)
    if (hinted.length === 0) return
    section(out, 0, (w) => {
      w.name('metadata.code.branch_hint')
      w.u32(hinted.length)
      for (const { index, hints } of hinted) {
        w.u32(index)
        w.u32(hints.length)
        for (const { offset, likely } of hints) {
          w.u32(offset)
          w.u8(1)
          w.u8(likely ? 1 : 0)
        }
      }
    })
  }

  /** Custom section `name` (Core Specification, appendix, custom sections): function names only, indices ascending. */
  #nameSection(out: ByteWriter): void {
    if (this.#names.size === 0) return
    const names = [...this.#names].sort(([a], [b]) => a - b)
    section(out, 0, (w) => {
      w.name('name')
      vector(w, 1, names.map(([index, name]): Entry => (entry) => {
        entry.u32(index)
        entry.name(name)
      }))
    })
  }
}

/** A section, or subsection of the name section: id, size, content. */
function section(out: ByteWriter, id: number, content: Entry): void {
  const payload = new ByteWriter()
  content(payload)
  out.u8(id)
  out.u32(payload.size)
  out.append(payload.bytes)
}

/** A section that is a vector of entries; left out when there are none. */
function vector(out: ByteWriter, id: number, entries: readonly Entry[]): void {
  if (entries.length === 0) return
  section(out, id, (w) => {
    w.u32(entries.length)
    for (const entry of entries) entry(w)
  })
}

const tableType = (size: number): Entry => (w) => {
  w.u8(FUNCREF)
  w.u8(0x01)
  w.u32(size)
  w.u32(size)
}

/** One active element segment for each run of defined slots. */
function elements(table: number, slots: readonly (number | undefined)[]): Entry[] {
  const runs: Entry[] = []
  for (let start = 0; start < slots.length;) {
    const first = start
    const run: number[] = []
    for (let slot = slots[start]; slot !== undefined; slot = slots[++start]) run.push(slot)
    if (run.length === 0) {
      start++
      continue
    }
    runs.push((w) => {
      // Flag 2: the table is named, and the kind of element (0, functions) with it.
      w.u8(table === 0 ? 0x00 : 0x02)
      if (table !== 0) w.u32(table)
      w.u8(0x41)
      w.s32(first)
      w.u8(END)
      if (table !== 0) w.u8(0x00)
      w.u32(run.length)
      for (const slot of run) w.u32(slot)
    })
  }
  return runs
}
