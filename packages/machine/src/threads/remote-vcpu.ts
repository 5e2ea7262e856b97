import { CpuState, readRegisters } from '@entresol/cpu'
import type { CpuModel, VcpuCounters } from '@entresol/cpu'
import type { Intercepts, MachineMemory, Vcpu, VcpuExit, VcpuRegisters } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { COUNTERS, RESET, STATE } from './exchange.ts'
import type { VcpuPort } from './vcpu-port.ts'

/** A vCPU that runs in another thread, as the first thread sees it: to look at, to stop, to reset. */
export class RemoteVcpu implements Vcpu {
  readonly id: number
  readonly model: CpuModel
  readonly exceptionCounts: Uint32Array
  readonly #port: VcpuPort
  readonly #memory: MachineMemory
  readonly #counters: Float64Array

  constructor(id: number, model: CpuModel, port: VcpuPort, memory: MachineMemory) {
    this.id = id
    this.model = model
    this.#port = port
    this.#memory = memory
    this.exceptionCounts = port.exchange.events(id)
    this.#counters = port.exchange.counters(id)
  }

  get counters(): VcpuCounters {
    return Object.fromEntries(COUNTERS.map((name, index) => [name, this.#counters[index]])) as unknown as VcpuCounters
  }

  get instructionCount(): number {
    return this.counters.instructions
  }

  /** As they are in memory: exact while the machine is paused or the vCPU halted. */
  getRegisters(): VcpuRegisters {
    const { words } = this.#port.exchange
    const state = new CpuState(this.#memory, Atomics.load(words, this.#port.exchange.block(this.id) + STATE) >>> 0)
    return readRegisters(state, this.#port.exchange.apic(this.id).priority >> 4)
  }

  /** WRMSR on that processor, for boards that start a kernel without firmware; done before its next instruction. */
  writeMsr(index: number, value: bigint): void {
    this.#port.setMsr(this.id, index, value)
  }

  /** Ends its slice. */
  stop(): void {
    this.#port.kick(this.id)
  }

  /** Asks for a reset; `VcpuThreads.reset` waits until it is done. */
  reset(): void {
    Atomics.store(this.#port.exchange.words, this.#port.exchange.block(this.id) + RESET, 1)
    this.#port.kick(this.id)
  }

  get intercepts(): Intercepts {
    throw elsewhere()
  }

  run(): VcpuExit {
    throw elsewhere()
  }

  setRegisters(): void {
    throw elsewhere()
  }

  interceptsChanged(): void {
    throw elsewhere()
  }
}

const elsewhere = (): CodedError => new CodedError('vcpu-in-thread', 'this vCPU runs in a thread of its own: make the machine with threads: \'single\'')
