import { receive } from './host-thread.ts'
import { VcpuThread } from './vcpu-thread.ts'
import type { VcpuThreadOptions } from './vcpu-thread.ts'

/** Module of a vCPU's thread: the first message says what to run, and nothing is received after it. */
const post = receive((options) => {
  const thread = new VcpuThread(options as VcpuThreadOptions, () => post('wake'))
  post('ready')
  // As an error of the thread, which its owner hears of.
  thread.run().catch((error: unknown) => setTimeout(() => {
    throw error
  }))
})
