import type { Peer } from '../peer.ts'
import { firstLine } from '../process.ts'

const program = 'qemu-system-x86_64'

/** QEMU's translator, one thread, a CPU of the same level. */
export const qemu: Peer = {
  name: 'qemu-tcg',
  async version() {
    const line = await firstLine(program, ['--version'])
    return line === undefined ? { missing: `${program} is not installed (Debian: qemu-system-x86)` } : { version: line }
  },
  boot: ({ kernel, initrd, append }) => ({
    file: program,
    args: ['-accel', 'tcg', '-cpu', 'max', '-kernel', kernel, '-initrd', initrd, '-append', append, '-m', '512M', '-nographic', '-no-reboot', '-nic', 'none']
  }),
  multiboot: (kernel) => ({ file: program, args: ['-accel', 'tcg', '-cpu', 'max', '-kernel', kernel, '-m', '64M', '-nographic', '-no-reboot', '-nic', 'none'] })
}
