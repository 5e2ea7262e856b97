import type { SoftwareVcpu } from '@entresol/cpu'
import { CodedError } from '@entresol/kit'
import { IA32_LSTAR, IA32_SYSENTER_EIP } from '@entresol/x86'

/** What these registers hold in a running Linux: the symbol says how far the kernel was moved (KASLR). */
const ENTRIES = [['entry_SYSCALL_64', IA32_LSTAR], ['entry_SYSENTER_32', IA32_SYSENTER_EIP]] as const
/** KASLR moves by whole multiples of CONFIG_PHYSICAL_ALIGN, at least this. */
const SLIDE_UNIT = 0x2000n
/** No function is longer: what is further behind a symbol has none. */
const REACH = 1n << 20n

interface Symbol {
  readonly address: bigint
  readonly name: string
}

/** Functions of a guest's kernel by address, and where they are in a guest that moved them. */
export class KernelSymbols {
  readonly #addresses: BigUint64Array
  readonly #names: readonly string[]
  readonly #entries: readonly { address: bigint; msr: number }[]

  /** From System.map, /proc/kallsyms (as root sees it) or a vmlinux with a symbol table. Throws `no-symbols`. */
  constructor(file: Uint8Array) {
    const elf = file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46
    const symbols = (elf ? elfSymbols(file) : mapSymbols(file)).filter(({ address }) => address !== 0n)
    if (symbols.length === 0) throw new CodedError('no-symbols', 'no functions in it: a stub of System.map, kallsyms not read by root, or a stripped vmlinux')
    symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
    this.#addresses = BigUint64Array.from(symbols, ({ address }) => address)
    this.#names = symbols.map(({ name }) => name)
    this.#entries = ENTRIES.flatMap(([name, msr]) => {
      const index = this.#names.indexOf(name)
      return index < 0 ? [] : [{ address: this.#addresses[index]!, msr }]
    })
  }

  /** Bytes the guest's kernel lies above its symbols, by its system-call entry; undefined while it has none of those we know. */
  slide(vcpu: Pick<SoftwareVcpu, 'readMsr'>): bigint | undefined {
    for (const { address, msr } of this.#entries) {
      const slide = (vcpu.readMsr(msr) ?? 0n) - address
      if (slide !== -address && slide % SLIDE_UNIT === 0n) return slide
    }
    return undefined
  }

  /** `function` at an address of the symbols' own, and how far in; undefined where there is none. */
  find(address: bigint): { readonly name: string; readonly offset: number } | undefined {
    let low = 0
    let high = this.#addresses.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#addresses[middle]! <= address) low = middle + 1
      else high = middle
    }
    // The first of several names.
    while (low > 1 && this.#addresses[low - 2] === this.#addresses[low - 1]) low--
    const start = this.#addresses[low - 1]
    return start !== undefined && address - start < REACH ? { name: this.#names[low - 1]!, offset: Number(address - start) } : undefined
  }

  /** `memset+0x14` for a place in the guest. */
  describe(rip: bigint, vcpu: Pick<SoftwareVcpu, 'readMsr'>): string | undefined {
    const slide = this.slide(vcpu)
    const found = slide === undefined ? undefined : this.find(rip - slide)
    return found && (found.offset ? `${found.name}+0x${found.offset.toString(16)}` : found.name)
  }
}

/** Lines of `address type name [module]`; types t and w in either case are code (nm(1)). */
function mapSymbols(file: Uint8Array): Symbol[] {
  const lines = new TextDecoder('latin1').decode(file).matchAll(/^([0-9a-f]{8,16}) [tTwW] (\S+)(?:\s+(\[\S+\]))?$/gm)
  return Array.from(lines, ([, address, name, module]) => ({ address: BigInt(`0x${address}`), name: module ? `${name} ${module}` : name! }))
}

const SHT_SYMTAB = 2
const STT_FUNC = 2

/** Functions of an ELF file's symbol table (System V ABI, chapter 4), 32 or 64 bits, little-endian. */
function elfSymbols(file: Uint8Array): Symbol[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const wide = file[4] === 2
  const word = (at: number): number => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true))
  const symbols: Symbol[] = []
  const latin1 = new TextDecoder('latin1')
  try {
    const headers = word(wide ? 40 : 32)
    const [size, count] = [view.getUint16(wide ? 58 : 46, true), view.getUint16(wide ? 60 : 48, true)]
    const section = (n: number): { type: number; start: number; bytes: number; link: number } => {
      const at = headers + n * size
      return { type: view.getUint32(at + 4, true), start: word(at + (wide ? 24 : 16)), bytes: word(at + (wide ? 32 : 20)), link: view.getUint32(at + (wide ? 40 : 24), true) }
    }
    for (let n = 0; n < count; n++) {
      const table = section(n)
      if (table.type !== SHT_SYMTAB) continue
      const names = section(table.link).start
      for (let at = table.start; at < table.start + table.bytes; at += wide ? 24 : 16) {
        if ((view.getUint8(at + (wide ? 4 : 12)) & 15) !== STT_FUNC) continue
        const name = names + view.getUint32(at, true)
        const address = wide ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true))
        symbols.push({ address, name: latin1.decode(file.subarray(name, file.indexOf(0, name))) })
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new CodedError('no-symbols', 'a damaged ELF file: its symbol table lies outside it', { cause: error })
  }
  return symbols
}
