import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ANSWER_TIMEOUT, BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import { hasTool, tool } from './support/tools.ts'

const MODULES = '--with-modules=virtio_pci,virtio_mmio,virtio_blk,virtio_rng,virtio_console'
const files = await fetched('cloud', MODULES)
const hasExt4 = await hasTool('mke2fs') && await hasTool('debugfs')
if (!hasExt4) process.stdout.write('skipped: virtio disks with ext4: there is no mke2fs and debugfs here (Debian: e2fsprogs)\n')

const folder = await mkdtemp(join(tmpdir(), 'entresol-virtio-'))
afterAll(() => rm(folder, { recursive: true }))

describe.skipIf(files === undefined || !hasExt4).each(['pc', 'microvm'] as const)("Debian's cloud kernel with virtio devices on %s", (board) => {
  const suffix = board === 'pc' ? 'pci' : 'device'

  test('mounts ext4 from a virtio disk, writes it, and leaves it clean', { timeout: BOOT_TIMEOUT + 8 * ANSWER_TIMEOUT }, async () => {
    const disk = join(folder, `${board}.img`)
    await writeFile(join(folder, 'hello'), 'from the host\n')
    expect(await tool('mke2fs', '-q', '-t', 'ext4', disk, '32M')).toMatchObject({ code: 0 })
    expect(await tool('debugfs', '-w', '-R', `write ${join(folder, 'hello')} hello`, disk)).toMatchObject({ code: 0 })
    const guest = start(files!, '-M', board, '-m', '256M', '-smp', '2', '-drive', `file=${disk},format=raw,if=none,id=d0`,
      '-device', `virtio-blk-${suffix},drive=d0,serial=a-serial`, '-device', `virtio-rng-${suffix}`)
    try {
      await guest.booted()
      expect(await guest.run('load-modules')).not.toMatch(/insmod:/)
      expect(await guest.run('cat /sys/block/vda/size /sys/block/vda/queue/write_cache /sys/block/vda/serial; echo')).toBe('65536\nwrite back\na-serial')
      expect(await guest.run('ls -d /sys/block/vda/mq/* | wc -l')).toBe('2')
      expect(await guest.run('mkdir /mnt; mount -t ext4 /dev/vda /mnt && cat /mnt/hello')).toMatch(/from the host$/)
      const sum = await guest.run('dd if=/dev/urandom of=/mnt/random bs=4k count=500 2>/dev/null; md5sum < /mnt/random')
      expect(await guest.run('head -c 64 /dev/hwrng | wc -c')).toBe('64')
      expect(await guest.run('sync; umount /mnt; mount /dev/vda /mnt; md5sum < /mnt/random')).toMatch(sum)
      expect(await guest.run('grep -c virtio /proc/interrupts')).not.toBe('0')
      expect(await guest.run('umount /mnt; echo $?')).toMatch(/0$/)
      // That microvm has no PCI is what it is.
      expect(complaints(await guest.run('dmesg -r')).filter((line) => board === 'pc' || !/\bPCI\b/.test(line))).toEqual([])
    } finally {
      guest.kill()
    }
    expect(await tool('e2fsck', '-fn', disk)).toMatchObject({ code: 0 })
    expect((await tool('debugfs', '-R', 'stat random', disk)).output).toMatch(/Size: 2048000/)
  })
})
