import { readFile } from 'node:fs/promises'
import type { BootFiles } from './grub.ts'
import { bootableCd } from './iso9660.ts'
import { fileOf, unpacked } from './packages.ts'

/** A CD image that boots ISOLINUX through El Torito: real-mode code all the way to the kernel. */
export async function isolinuxCd(files: BootFiles): Promise<Uint8Array> {
  const loader = await unpacked({ name: 'isolinux', architecture: 'amd64', files: ['*/isolinux.bin'] })
  const modules = await unpacked({ name: 'syslinux-common', architecture: 'amd64', files: ['*/modules/bios/ldlinux.c32'] })
  const configuration = `SERIAL 0 115200
DEFAULT linux
PROMPT 1
TIMEOUT 10
LABEL linux
  KERNEL VMLINUZ
  INITRD INITRD.IMG
  APPEND ${files.commandLine}
`
  return bootableCd(await readFile(await fileOf(loader, /isolinux\.bin$/)), [
    { name: 'LDLINUX.C32', data: await readFile(await fileOf(modules, /ldlinux\.c32$/)) },
    { name: 'ISOLINUX.CFG', data: new TextEncoder().encode(configuration) },
    { name: 'VMLINUZ', data: files.kernel }, { name: 'INITRD.IMG', data: files.initrd }
  ])
}
