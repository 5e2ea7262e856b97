import { guest } from '@entresol/guests'
import { MIX_INSTRUCTIONS, writeMixKernel } from './mix-kernel.ts'
import type { BootGuest, Peer, Sample } from './peer.ts'
import { secondsBetween, secondsToPrompt } from './process.ts'

/** One kind of work, done by every peer that can. */
export interface Load {
  readonly name: string
  readonly unit: string
  /** Fetches what it needs, once. */
  prepare(): Promise<Work>
}

/** Does the work once on `peer`. */
export type Work = (peer: Peer, limit: number) => Promise<Sample>

const boot = (guestName: string, bits: 32 | 64): Load => ({
  name: `boot-${guestName}`,
  unit: 's to shell',
  async prepare() {
    const { kernel, initrd, commandLine } = await guest(guestName)
    const files: BootGuest = { kernel: kernel!, initrd: initrd!, append: commandLine ?? 'console=ttyS0', bits }
    return async (peer, limit) => {
      const command = peer.boot(files)
      return 'unable' in command ? { failed: command.unable } : secondsToPrompt(command, limit)
    }
  }
})

/** Registers and memory in a loop, nothing else: how fast instructions are executed. */
const mix: Load = {
  name: 'instruction-mix',
  unit: `s for ${MIX_INSTRUCTIONS / 1e6} million instructions`,
  prepare() {
    const kernel = writeMixKernel()
    return Promise.resolve((peer: Peer, limit: number) => {
      const command = peer.multiboot(kernel)
      return 'unable' in command ? Promise.resolve({ failed: command.unable }) : secondsBetween(command, 'BEGIN', 'END', limit)
    })
  }
}

export const loads: readonly Load[] = [mix, boot('cloud', 64), boot('i386', 32)]
