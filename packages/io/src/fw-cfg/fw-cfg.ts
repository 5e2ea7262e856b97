import type { AccessSize, BusDevice, Gpa, GuestMemory, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FwCfgItems } from './items.ts'
import type { FwCfgFileOptions } from './items.ts'
import * as spec from './spec.ts'
import { checkFwCfgState, FW_CFG_STATE_VERSION } from './state.ts'
import type { FwCfgState } from './state.ts'

export interface FwCfgOptions {
  readonly memory: GuestMemory
  /** Vcpus present at boot; sets FW_CFG_NB_CPUS, and FW_CFG_MAX_CPUS as the number of local APIC ids. */
  readonly cpus: number
  readonly maxCpus?: number
  /** Bytes of guest RAM, FW_CFG_RAM_SIZE. Default: memory.size. */
  readonly ramSize?: number
  /** -nographic: firmware keeps off the display. Default false. */
  readonly noGraphic?: boolean
}

/** The type of an e820 range: 1 RAM, 2 reserved, 3 ACPI reclaimable, 4 ACPI NVS, 5 unusable. */
export interface E820Range {
  readonly address: number
  readonly length: number
  readonly type: number
}

export interface FwCfgKernel {
  /** Real-mode part (boot sector and setup) and protected-mode part of a bzImage, as FW_CFG_SETUP_DATA and FW_CFG_KERNEL_DATA. */
  readonly setup: Uint8Array
  readonly kernel: Uint8Array
  readonly setupAddress: number
  readonly kernelAddress: number
  readonly initrd?: Uint8Array
  readonly initrdAddress?: number
  readonly cmdline?: string
  readonly cmdlineAddress?: number
}

/** Little-endian bytes of `value`. */
export function littleEndian(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256)
}

/** QEMU's firmware configuration device: port and MMIO layouts of one selector, and DMA. */
export class FwCfg implements Resettable, Snapshotable<FwCfgState> {
  readonly snapshotVersion: number = FW_CFG_STATE_VERSION
  /** Ports 0x510..0x51b. */
  readonly ports: BusDevice
  /** The same registers in the memory-mapped layout (24 bytes). */
  readonly mmio: BusDevice
  readonly #memory: GuestMemory
  readonly #items: FwCfgItems = new FwCfgItems()
  #key = 0
  #offset = 0
  #dmaHigh = 0

  constructor(options: FwCfgOptions) {
    this.#memory = options.memory
    this.ports = {
      name: 'fw-cfg', length: spec.IO_LENGTH,
      read: (offset, size) => this.#readPort(offset, size), write: (offset, size, value) => this.#writePort(offset, size, value),
    }
    this.mmio = {
      name: 'fw-cfg-mmio', length: spec.MMIO_LENGTH,
      read: (offset, size) => this.#readMmio(offset, size), write: (offset, size, value) => this.#writeMmio(offset, size, value),
    }
    this.setKey(spec.FW_CFG_SIGNATURE, new TextEncoder().encode(spec.SIGNATURE))
    this.setKey(spec.FW_CFG_ID, littleEndian(spec.ID_TRADITIONAL | spec.ID_DMA, 4))
    this.setKey(spec.FW_CFG_UUID, new Uint8Array(16))
    this.setKey(spec.FW_CFG_RAM_SIZE, littleEndian(options.ramSize ?? options.memory.size, 8))
    this.setKey(spec.FW_CFG_NOGRAPHIC, littleEndian(options.noGraphic ? 1 : 0, 2))
    this.setKey(spec.FW_CFG_NB_CPUS, littleEndian(options.cpus, 2))
    this.setKey(spec.FW_CFG_MAX_CPUS, littleEndian(options.maxCpus ?? options.cpus, 2))
    this.setKey(spec.FW_CFG_BOOT_MENU, littleEndian(0, 2))
    this.setKey(spec.FW_CFG_FILE_DIR, new Uint8Array(4))
  }

  /** Sets the blob of a numbered key (spec.ts FW_CFG_*). The device keeps `data`. */
  setKey(key: number, data: Uint8Array): void {
    this.#items.setKey(key, data)
  }

  /** Adds or replaces a named file (`etc/...`, `genroms/...`, `opt/...`). Throws `bad-fw-cfg-name`, `fw-cfg-full`. The device keeps `data`. */
  setFile(name: string, data: Uint8Array, options: FwCfgFileOptions = {}): void {
    this.#items.setFile(name, data, options)
  }

  /** The file etc/e820: RAM and reserved ranges, from which firmware makes its memory map. */
  setE820(ranges: readonly E820Range[]): void {
    const data = new Uint8Array(ranges.length * spec.E820_ENTRY_SIZE)
    ranges.forEach(({ address, length, type }, i) => {
      data.set(littleEndian(address, 8), i * spec.E820_ENTRY_SIZE)
      data.set(littleEndian(length, 8), i * spec.E820_ENTRY_SIZE + 8)
      data.set(littleEndian(type, 4), i * spec.E820_ENTRY_SIZE + 16)
    })
    this.setFile('etc/e820', data)
  }

  /** The file bootorder: Open Firmware device paths, first choice first. */
  setBootOrder(paths: readonly string[]): void {
    this.setFile('bootorder', new TextEncoder().encode(paths.join('\n') + '\0'))
  }

  /** The keys from which a linuxboot option ROM loads a kernel. */
  setKernel(kernel: FwCfgKernel): void {
    this.setKey(spec.FW_CFG_SETUP_ADDR, littleEndian(kernel.setupAddress, 4))
    this.setKey(spec.FW_CFG_SETUP_SIZE, littleEndian(kernel.setup.length, 4))
    this.setKey(spec.FW_CFG_SETUP_DATA, kernel.setup)
    this.setKey(spec.FW_CFG_KERNEL_ADDR, littleEndian(kernel.kernelAddress, 4))
    this.setKey(spec.FW_CFG_KERNEL_SIZE, littleEndian(kernel.kernel.length, 4))
    this.setKey(spec.FW_CFG_KERNEL_DATA, kernel.kernel)
    const initrd = kernel.initrd ?? new Uint8Array(0)
    this.setKey(spec.FW_CFG_INITRD_ADDR, littleEndian(kernel.initrdAddress ?? 0, 4))
    this.setKey(spec.FW_CFG_INITRD_SIZE, littleEndian(initrd.length, 4))
    this.setKey(spec.FW_CFG_INITRD_DATA, initrd)
    const cmdline = new TextEncoder().encode((kernel.cmdline ?? '') + '\0')
    this.setKey(spec.FW_CFG_CMDLINE_ADDR, littleEndian(kernel.cmdlineAddress ?? 0, 4))
    this.setKey(spec.FW_CFG_CMDLINE_SIZE, littleEndian(cmdline.length, 4))
    this.setKey(spec.FW_CFG_CMDLINE_DATA, cmdline)
  }

  /** The current contents of a named file, with what the guest wrote. */
  file(name: string): Uint8Array | undefined {
    return this.#items.file(name)?.data.slice()
  }

  reset(): void {
    this.#select(0)
    this.#dmaHigh = 0
  }

  save(): FwCfgState {
    return { key: this.#key, offset: this.#offset, dmaHigh: this.#dmaHigh, written: this.#items.written() }
  }

  restore(state: FwCfgState): void {
    const s = checkFwCfgState(state, 'fw-cfg')
    for (const { name, data } of s.written) {
      const item = this.#items.file(name)
      if (!item?.writable || item.data.length !== data.length) {
        throw new CodedError('bad-snapshot', `saved state: no writable fw_cfg file '${name}' of ${data.length} bytes`)
      }
    }
    for (const { name, data } of s.written) this.#items.file(name)?.data.set(data)
    this.#key = s.key
    this.#offset = s.offset
    this.#dmaHigh = s.dmaHigh
  }

  #readPort(offset: number, size: AccessSize): number | IoFault {
    if (offset === spec.IO_DATA) return size === 1 ? this.#next() : 'bad-size'
    if (offset >= spec.IO_DMA) return dmaSignature(offset - spec.IO_DMA, size)
    return offset === spec.IO_SELECTOR && size <= 2 ? 0 : 'no-register'
  }

  #writePort(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset === spec.IO_SELECTOR && size === 2) this.#select(value)
    else if (offset >= spec.IO_DMA) return this.#writeDma(offset - spec.IO_DMA, size, value)
    else return offset === spec.IO_DATA ? undefined : 'bad-size' // data writes are ignored since version 2.4
    return undefined
  }

  #readMmio(offset: number, size: AccessSize): number | IoFault {
    if (offset >= spec.MMIO_DMA) return dmaSignature(offset - spec.MMIO_DMA, size)
    if (offset >= spec.MMIO_SELECTOR) return 0
    let value = 0
    for (let i = 0; i < size; i++) value += this.#next() * 2 ** (8 * i)
    return value
  }

  #writeMmio(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (offset === spec.MMIO_SELECTOR && size === 2) this.#select(((value & 0xff) << 8) | (value >> 8))
    else if (offset >= spec.MMIO_DMA) return this.#writeDma(offset - spec.MMIO_DMA, size, value)
    else return offset < spec.MMIO_SELECTOR ? undefined : 'bad-size'
    return undefined
  }

  #select(key: number): void {
    this.#key = key & spec.KEY_MASK
    this.#offset = 0
  }

  /** The next byte of the selected item; 0 behind its end and for a key that is not there. */
  #next(): number {
    const data = this.#items.get(this.#key)?.data
    if (!data || this.#offset >= data.length) return 0
    return data[this.#offset++]
  }

  /** The high half waits; writing the low half starts the operation. Both are big-endian. */
  #writeDma(offset: number, size: AccessSize, value: number): IoFault | undefined {
    if (size !== 4) return 'bad-size'
    const swapped = ((value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24)) >>> 0
    if (offset === 0) this.#dmaHigh = swapped
    else if (offset === 4) {
      const high = this.#dmaHigh
      this.#dmaHigh = 0
      this.#transfer(high * 2 ** 32 + swapped)
    } else return 'unaligned'
    return undefined
  }

  #transfer(address: number): void {
    const access = new Uint8Array(spec.DMA_ACCESS_SIZE)
    if (!this.#memory.isRam(address as Gpa, access.length)) return // nowhere to report an error to
    this.#memory.read(address as Gpa, access)
    const view = new DataView(access.buffer)
    const control = view.getUint32(0)
    const length = view.getUint32(4)
    const target = view.getUint32(8) * 2 ** 32 + view.getUint32(12)
    if (control & spec.DMA_SELECT) this.#select(control >>> 16)
    const ok = this.#perform(control, length, target)
    view.setUint32(0, ok ? 0 : spec.DMA_ERROR)
    this.#memory.write(address as Gpa, access.subarray(0, 4))
  }

  /**
   * READ wins over WRITE, WRITE over SKIP. Lengths beyond the guest's memory are refused: that bounds our work. What a read
   * sends to where no RAM is (yet) is dropped by the memory itself: option ROMs go to shadow RAM this way.
   */
  #perform(control: number, length: number, target: number): boolean {
    const item = this.#items.get(this.#key)
    const available = item ? Math.max(0, item.data.length - this.#offset) : 0
    const count = Math.min(length, available)
    if (control & spec.DMA_READ) {
      if (length > this.#memory.size) return false
      if (item) this.#memory.write(target as Gpa, item.data.subarray(this.#offset, this.#offset + count))
      for (let at = count; at < length; at += ZEROES.length) {
        this.#memory.write((target + at) as Gpa, ZEROES.subarray(0, Math.min(ZEROES.length, length - at)))
      }
    } else if (control & spec.DMA_WRITE) {
      if (!item?.writable || length > available || !this.#memory.isRam(target as Gpa, length)) return false
      this.#memory.read(target as Gpa, item.data.subarray(this.#offset, this.#offset + length))
      item.onWrite?.(item.data.slice())
    } else if (!(control & spec.DMA_SKIP)) return true
    this.#offset += count
    return true
  }
}

const ZEROES: Uint8Array = new Uint8Array(65536)

function dmaSignature(offset: number, size: AccessSize): number {
  let value = 0
  for (let i = 0; i < size; i++) value += (spec.DMA_SIGNATURE.charCodeAt(offset + i) || 0) * 2 ** (8 * i)
  return value
}
