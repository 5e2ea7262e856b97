import type { Gfn, GuestMemory, MachineMemory, PhysicalMap } from '@entresol/interfaces'

/** Small aligned writes into guest memory from a vCPU's thread: what its paravirtual clock needs. */
export class AttachedGuestMemory implements Pick<GuestMemory, 'writeU8' | 'writeU32' | 'writeU64'> {
  readonly #view: DataView
  readonly #map: PhysicalMap
  readonly #code: { wrote(address: number, length: number): void }

  constructor(memory: MachineMemory, map: PhysicalMap, code: { wrote(address: number, length: number): void }) {
    this.#view = new DataView(memory.wasm.buffer)
    this.#map = map
    this.#code = code
  }

  writeU8(gpa: number, value: number): void {
    this.#write(gpa, 1, (at) => this.#view.setUint8(at, value))
  }

  writeU32(gpa: number, value: number): void {
    this.#write(gpa, 4, (at) => this.#view.setUint32(at, value, true))
  }

  writeU64(gpa: number, value: bigint): void {
    this.#write(gpa, 8, (at) => this.#view.setBigUint64(at, value, true))
  }

  #write(gpa: number, length: number, store: (at: number) => void): void {
    const frame = this.#map.frameForWrite(Math.floor(gpa / 4096) as Gfn)
    if (frame < 0) return
    const address = frame + (gpa % 4096)
    store(address)
    this.#code.wrote(address, length)
  }
}
