import { join } from 'node:path'
import { root } from '@entresol/bootstrap/paths'
import type { Peer } from '../peer.ts'
import { firstLine } from '../process.ts'

const cli = join(root, 'apps', 'kvm', 'dist', 'cli.js')

export const entresol: Peer = {
  name: 'entresol',
  async version() {
    const line = await firstLine(process.execPath, [cli, '-version'])
    return line === undefined ? { missing: 'entresol-kvm -version failed; npm run build?' } : { version: `${line} on Node ${process.versions.node}` }
  },
  boot: ({ kernel, initrd, append }) => ({ file: process.execPath, args: [cli, '-kernel', kernel, '-initrd', initrd, '-append', append, '-m', '512M', '-nographic', '-no-reboot'] }),
  multiboot: (kernel) => ({ file: process.execPath, args: [cli, '-kernel', kernel, '-m', '64M', '-nographic', '-no-reboot'] })
}
