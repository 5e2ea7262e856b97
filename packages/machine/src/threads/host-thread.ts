/** The few things of a host's threads that are needed, in Node (node:worker_threads) and in browsers (Worker). */
export interface HostThread {
  post(message: unknown): void
  /** Frees everything at once, whatever it is doing. */
  terminate(): void
}

export interface HostThreadEvents {
  message(message: unknown): void
  /** It died of an error that nobody caught. */
  error(error: unknown): void
}

interface NodeEmitter {
  on(event: string, listener: (value: never) => void): void
  postMessage(message: unknown): void
}

interface NodeThreads {
  readonly Worker: new (url: URL) => NodeEmitter & { terminate(): Promise<number>; unref(): void }
  readonly parentPort: NodeEmitter | null
}

interface NodeProcess {
  readonly arch: string
  getBuiltinModule?(name: string): unknown
}

const node = (globalThis as { process?: NodeProcess }).process
const threads = node?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined

/**
 * Whether vCPUs can have threads of their own: shared memory can be posted, and the host's processors keep loads and stores in order as x86 does
 * (SDM vol. 3, 9.2.2), which WebAssembly's plain accesses then inherit. A browser does not say what it runs on: there it must be asked for.
 */
export const threadsAvailable: boolean = typeof SharedArrayBuffer === 'function' && (threads !== undefined || globalThis.crossOriginIsolated)
export const threadsByDefault: boolean = threadsAvailable && (node?.arch === 'x64' || node?.arch === 'ia32')

/** Whether there are threads, if only for what can be posted. */
export const workersAvailable: boolean = threads !== undefined || typeof Worker === 'function'

/** `background`: in Node, does not keep the process alive. */
export function startThread(url: URL, events: HostThreadEvents, background = false): HostThread {
  if (threads) {
    const worker = new threads.Worker(url)
    worker.on('message', (message) => events.message(message))
    worker.on('error', (error) => events.error(error))
    if (background) worker.unref()
    return { post: (message) => worker.postMessage(message), terminate: () => void worker.terminate() }
  }
  const worker = new Worker(url, { type: 'module' })
  worker.onmessage = ({ data }) => events.message(data)
  worker.onerror = (event) => events.error(event.error ?? new Error(event.message))
  return { post: (message) => worker.postMessage(message), terminate: () => worker.terminate() }
}

/** In a started thread: takes its messages; returns how to answer. */
export function receive(listener: (message: unknown) => void): (message: unknown) => void {
  const port = threads?.parentPort
  if (port) {
    port.on('message', listener as (value: never) => void)
    return (message) => port.postMessage(message)
  }
  const scope = globalThis as unknown as { onmessage: (event: MessageEvent) => void; postMessage(message: unknown): void }
  scope.onmessage = ({ data }) => listener(data)
  return (message) => scope.postMessage(message)
}
