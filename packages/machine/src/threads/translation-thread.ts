import type { CpuModel, RegionJob, RegionResult, TranslationHelper } from '@entresol/cpu'
import { startThread } from './host-thread.ts'
import type { HostThread } from './host-thread.ts'

/** What the thread is told at its start. */
export interface TranslationThreadOptions {
  readonly features: ReadonlySet<string>
  /** Whether the memory of the CPU is shared. */
  readonly shared: boolean
}

/** The module of the thread, beside this one: built, or source that Node can run. */
const ENTRY = new URL(`./translation-thread-entry.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)

/** A thread that translates for one vCPU of this one. It begins with the first job; results arrive in turns of the event loop. */
export class TranslationThread implements TranslationHelper {
  readonly #options: TranslationThreadOptions
  readonly #failed: (error: unknown) => void
  readonly #results: RegionResult[] = []
  #thread: HostThread | undefined
  #ended = false

  constructor(model: CpuModel, shared: boolean, failed: (error: unknown) => void) {
    this.#options = { features: model.features, shared }
    this.#failed = failed
  }

  post(job: RegionJob): void {
    if (this.#ended) return
    if (!this.#thread) {
      this.#thread = startThread(ENTRY, { message: (result) => void this.#results.push(result as RegionResult), error: (error) => this.#failed(error) }, true)
      this.#thread.post(this.#options)
    }
    this.#thread.post(job)
  }

  take(): RegionResult | undefined {
    return this.#results.shift()
  }

  end(): void {
    this.#ended = true
    this.#thread?.terminate()
  }
}
