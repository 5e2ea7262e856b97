import { guestOptions, type Peer } from '../peer.ts'
import { firstLine } from '../process.ts'

const program = 'qemu-system-x86_64'
const common = ['-cpu', 'max', '-nographic', '-no-reboot']

/** QEMU's translator, with a CPU of the same level; a thread per virtual CPU (MTTCG). */
export const qemu: Peer = {
  name: 'qemu-tcg',
  async version() {
    const line = await firstLine(program, ['--version'])
    return line === undefined ? { missing: `${program} is not installed (Debian: qemu-system-x86)` } : { version: line }
  },
  boot: guest => ({
    file: program,
    args: ['-accel', guest.vcpus === 1 ? 'tcg' : 'tcg,thread=multi', ...common, ...guestOptions(guest), '-m', `${guest.memory}M`, '-smp', `${guest.vcpus}`]
  }),
  multiboot: kernel => ({ file: program, args: ['-accel', 'tcg', ...common, '-nic', 'none', '-kernel', kernel, '-m', '64M'] })
}
