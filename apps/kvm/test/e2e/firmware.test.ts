import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { guestFiles } from './guests.ts'
import { Program } from './program.ts'

const guests = await guestFiles('seabios', 'grub-disk', 'grub-cd', 'isolinux-cd')
/** The shell's, in whatever folder it starts. */
const PROMPT = /(?:~|\/\w*) # /
const folder = await mkdtemp(join(tmpdir(), 'entresol-firmware-'))
afterAll(() => rm(folder, { recursive: true }))

/** From SeaBIOS's first line to the shell's prompt. */
async function bootToShell(program: Program): Promise<void> {
  await program.waitFor('SeaBIOS (version')
  await program.waitFor('GNU GRUB')
  await program.waitFor('Linux version')
  await program.waitFor(PROMPT)
}

describe.skipIf(!guests)('a PC without -kernel', () => {
  const bios = guests?.['seabios']?.['bios'] ?? ''

  test('boots a disk through SeaBIOS and GRUB to a shell that works; poweroff ends the process with 0', { timeout: 240_000 }, async () => {
    const disk = join(folder, 'disk.img')
    await copyFile(guests!['grub-disk']!['disk']!, disk)
    const program = new Program(['-bios', bios, '-hda', disk, '-m', '256', '-nographic'])
    await bootToShell(program)
    program.type('echo $((6 * 7)) $(uname -m) | cat\n')
    expect(await program.waitFor('42 x86_64')).toBeDefined()
    program.type('poweroff\n')
    expect(await program.ended).toMatchObject({ code: 0, stderr: '' })
  })

  test('boots a CD with -boot d before the disk, and reboot goes through SeaBIOS again', { timeout: 240_000 }, async () => {
    const program = new Program(['-bios', bios, '-cdrom', guests!['grub-cd']!['cdrom']!, '-drive', `file=${guests!['grub-disk']!['disk']!},snapshot=on`,
      '-boot', 'd', '-m', '256', '-nographic'])
    await program.waitFor('Booting from DVD/CD')
    await program.waitFor('GNU GRUB')
    await program.waitFor(PROMPT)
    program.type('reboot\n')
    await program.waitFor('SeaBIOS (version')
    await program.waitFor('GNU GRUB')
    expect(await program.terminate()).toMatchObject({ code: 0, stderr: '' })
  })

  test('boots a kernel from a CD through ISOLINUX', { timeout: 120_000 }, async () => {
    const program = new Program(['-bios', bios, '-cdrom', guests!['isolinux-cd']!['cdrom']!, '-m', '256', '-nographic'])
    await program.waitFor('ISOLINUX 6')
    await program.waitFor('Loading VMLINUZ')
    await program.waitFor('Linux version')
    expect(await program.terminate()).toMatchObject({ code: 0, stderr: '' })
  })

  test('starts a second processor, through SeaBIOS and GRUB into the kernel', { timeout: 240_000 }, async () => {
    const program = new Program(['-bios', bios, '-drive', `file=${guests!['grub-disk']!['disk']!},snapshot=on`, '-smp', '2', '-m', '256', '-nographic'])
    await program.waitFor('GNU GRUB')
    await program.waitFor('Brought up 1 node, 2 CPUs')
    expect(await program.terminate()).toMatchObject({ code: 0, stderr: '' })
  })

  test('says what is wrong with a disk that has no boot sector', { timeout: 60_000 }, async () => {
    const disk = join(folder, 'random.img')
    await writeFile(disk, Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 167 + (i >> 9)) & 0x7f))
    const program = new Program(['-bios', bios, '-hda', disk, '-m', '16', '-nographic'])
    await program.waitFor('not a bootable disk')
    await program.waitFor('No bootable device')
    expect(await program.terminate()).toMatchObject({ code: 0, stderr: '' })
  })
})
