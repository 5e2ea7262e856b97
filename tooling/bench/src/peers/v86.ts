import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { guest } from '@entresol/guests'
import type { Peer } from '../peer.ts'

let firmware: Readonly<Record<string, string>> = {}

/** v86 from its npm package: 32-bit guests on one vCPU only, booted through Debian's SeaBIOS. */
export const v86: Peer = {
  name: 'v86',
  async version() {
    try {
      const { version } = createRequire(import.meta.url)('v86/package.json') as { version: string }
      firmware = (await guest('seabios')).files
      return { version: `v86 ${version} on Node ${process.versions.node}` }
    } catch (error) {
      return { missing: (error as Error).message.split('\n')[0]! }
    }
  },
  boot({ kernel, bits, memory, vcpus }) {
    if (bits === 64 || !kernel) return { unable: '32-bit guests only' }
    if (vcpus > 1) return { unable: 'one vCPU only' }
    const program = fileURLToPath(new URL('v86-boot.ts', import.meta.url))
    return { file: process.execPath, args: [program, kernel.image, kernel.initrd, kernel.append, `${memory}`, firmware.bios!, firmware.vgabios!] }
  },
  multiboot: () => ({ unable: 'no command for bare kernels' })
}
