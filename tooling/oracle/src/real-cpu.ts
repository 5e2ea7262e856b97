import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { CodedError } from '@entresol/kit'
import { buildProgram } from './build-harness.ts'
import type { Outcome, TestCase } from './case.ts'
import { caseSize, decodeOutcome, encodeCase, encodeSetup } from './protocol.ts'

const CHUNK = 1 << 18

type Harness = ChildProcessByStdio<Writable, Readable, Readable>

interface Batch {
  readonly cases: readonly TestCase[]
  readonly outcomes: Outcome[]
  readonly resolve: (outcomes: Outcome[]) => void
  readonly reject: (reason: unknown) => void
}

/** The processor of this machine, one instruction at a time. */
export class RealCpu {
  readonly #harness: Harness
  readonly #batches: Batch[] = []
  #pending: Uint8Array = new Uint8Array(0)
  #errors = ''
  #ended: CodedError | undefined
  #stopping = false

  private constructor(harness: Harness) {
    this.#harness = harness
    harness.stdout.on('data', (chunk: Buffer) => this.#receive(chunk))
    harness.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()))
    harness.stdin.on('error', () => undefined)
    harness.on('error', (cause) => this.#end(cause.message))
    harness.on('close', () => this.#end(this.#errors.trim() || 'the harness ended'))
  }

  /**
   * Builds the harness if needed and starts it. Runs one case to see that ptrace works here.
   * @throws CodedError ERR_ORACLE_HOST, ERR_ORACLE_COMPILER, ERR_ORACLE_HARNESS (ptrace or seccomp refused).
   */
  static async start(): Promise<RealCpu> {
    const program = await buildProgram('harness')
    // rseq would have the kernel write to thread storage on every preemption; the child has no use for it.
    const env = { ...process.env, GLIBC_TUNABLES: 'glibc.pthread.rseq=0' }
    const cpu = new RealCpu(spawn(program, [], { stdio: ['pipe', 'pipe', 'pipe'], env }))
    cpu.#harness.stdin.write(encodeSetup())
    await cpu.run([{ mode: 64, code: Uint8Array.of(0x90), gpr: new BigUint64Array(16), rflags: 0x202 }])
    return cpu
  }

  /** Outcomes in the order of the cases. Calls may overlap. @throws CodedError ERR_ORACLE_CASE, ERR_ORACLE_HARNESS. */
  async run(cases: readonly TestCase[]): Promise<Outcome[]> {
    if (this.#ended) throw this.#ended
    if (cases.length === 0) return []
    const chunks = encodeChunks(cases)
    const result = new Promise<Outcome[]>((resolve, reject) => this.#batches.push({ cases, outcomes: [], resolve, reject }))
    result.catch(() => undefined)
    for (const chunk of chunks) {
      if (!this.#harness.stdin.write(chunk)) await Promise.race([once(this.#harness.stdin, 'drain'), result])
    }
    return result
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#ended) return
    const closed = once(this.#harness, 'close')
    this.#harness.stdin.end()
    await closed
  }

  #receive(chunk: Uint8Array): void {
    let bytes = chunk
    if (this.#pending.length > 0) {
      bytes = new Uint8Array(this.#pending.length + chunk.length)
      bytes.set(this.#pending)
      bytes.set(chunk, this.#pending.length)
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    while (at + 4 <= bytes.length && at + view.getUint32(at, true) <= bytes.length) {
      const batch = this.#batches[0]
      if (!batch) break
      const { outcome, end } = decodeOutcome(batch.cases[batch.outcomes.length] as TestCase, bytes, view, at)
      at = end
      if (batch.outcomes.push(outcome) === batch.cases.length) {
        this.#batches.shift()
        batch.resolve(batch.outcomes)
      }
    }
    this.#pending = bytes.slice(at)
  }

  #end(message: string): void {
    if (this.#ended) return
    this.#ended = new CodedError('ERR_ORACLE_HARNESS', this.#stopping ? 'the oracle was stopped' : message)
    for (const batch of this.#batches.splice(0)) batch.reject(this.#ended)
  }
}

function encodeChunks(cases: readonly TestCase[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let first = 0; first < cases.length; ) {
    let last = first
    let size = 0
    while (last < cases.length && size < CHUNK) size += caseSize(cases[last++] as TestCase)
    const chunk = new Uint8Array(size)
    const view = new DataView(chunk.buffer)
    let at = 0
    for (; first < last; first++) at = encodeCase(cases[first] as TestCase, chunk, view, at)
    chunks.push(chunk)
  }
  return chunks
}
