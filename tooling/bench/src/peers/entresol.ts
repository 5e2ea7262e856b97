import { join } from 'node:path'
import { root } from '@entresol/bootstrap/paths'
import { guestOptions, type Peer } from '../peer.ts'
import { firstLine } from '../process.ts'

const cli = join(root, 'apps', 'kvm', 'dist', 'cli.js')

/** This project. With `profiles`, every run leaves a .cpuprofile of Node there when its guest powers off. */
export function entresol(profiles?: string): Peer {
  const program = [...(profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]), cli]
  return {
    name: 'entresol',
    async version() {
      const line = await firstLine(process.execPath, [cli, '-version'])
      return line === undefined ? { missing: 'entresol-kvm -version failed; npm run build?' } : { version: `${line} on Node ${process.versions.node}` }
    },
    boot: guest => ({
      file: process.execPath, args: [...program, ...guestOptions(guest), '-m', `${guest.memory}M`, '-smp', `${guest.vcpus}`, '-nographic', '-no-reboot']
    }),
    multiboot: kernel => ({ file: process.execPath, args: [...program, '-kernel', kernel, '-m', '64M', '-nographic', '-no-reboot'] })
  }
}
