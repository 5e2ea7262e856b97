import { CodedError } from '@entresol/kit'
import * as spec from './spec.ts'

export interface FwCfgItem {
  data: Uint8Array
  readonly writable: boolean
  readonly onWrite: ((data: Uint8Array) => void) | undefined
}

export interface FwCfgFileOptions {
  /** The guest may write it by DMA (vmcoreinfo, vmgenid). Default false. */
  readonly writable?: boolean
  readonly onWrite?: (data: Uint8Array) => void
}

/** The blobs behind the selector: numbered keys, and named files whose directory is kept sorted by name. */
export class FwCfgItems {
  readonly #keys: Map<number, FwCfgItem> = new Map()
  readonly #files: Map<string, FwCfgItem> = new Map()

  setKey(key: number, data: Uint8Array): void {
    this.#keys.set(key & spec.KEY_MASK, { data, writable: false, onWrite: undefined })
  }

  setFile(name: string, data: Uint8Array, options: FwCfgFileOptions): void {
    if (name.length === 0 || name.length > spec.FILE_NAME_MAX || !/^[\x21-\x7e]+$/.test(name)) {
      throw new CodedError('bad-fw-cfg-name', `fw_cfg file name '${name}' is not 1..${spec.FILE_NAME_MAX} printable ASCII characters`)
    }
    if (!this.#files.has(name) && this.#files.size >= spec.FILE_SLOTS) {
      throw new CodedError('fw-cfg-full', `fw_cfg has no slot left for '${name}'`)
    }
    this.#files.set(name, { data, writable: options.writable ?? false, onWrite: options.onWrite })
    this.#index()
  }

  get(key: number): FwCfgItem | undefined {
    return this.#keys.get(key)
  }

  file(name: string): FwCfgItem | undefined {
    return this.#files.get(name)
  }

  /** Name and contents of what the guest may have written. */
  written(): { name: string; data: Uint8Array }[] {
    return [...this.#files].filter(([, item]) => item.writable).map(([name, item]) => ({ name, data: item.data.slice() }))
  }

  #index(): void {
    const names = [...this.#files.keys()].sort((a, b) => (a < b ? -1 : 1))
    const directory = new Uint8Array(4 + names.length * spec.FILE_ENTRY_SIZE)
    const view = new DataView(directory.buffer)
    view.setUint32(0, names.length)
    names.forEach((name, index) => {
      const item = this.#files.get(name)
      if (!item) return
      const at = 4 + index * spec.FILE_ENTRY_SIZE
      view.setUint32(at, item.data.length)
      view.setUint16(at + 4, spec.FW_CFG_FILE_FIRST + index)
      directory.set(new TextEncoder().encode(name), at + 8)
      this.#keys.set(spec.FW_CFG_FILE_FIRST + index, item)
    })
    this.setKey(spec.FW_CFG_FILE_DIR, directory)
  }
}
