import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANSWER_TIMEOUT, BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

// The generic kernel: the cloud kernel has no 9p.
const files = await fetched('generic', '--with-modules=virtio_pci,9p,9pnet_virtio,virtio_net,virtio_balloon,virtio_input,evdev')
const folder = await mkdtemp(join(tmpdir(), 'entresol-peripherals-'))
afterAll(() => rm(folder, { recursive: true }))

describe.skipIf(files === undefined)("Debian's kernel with a shared folder, a network card, a balloon and a keyboard", { timeout: 4 * ANSWER_TIMEOUT }, () => {
  let guest: RunningGuest
  beforeAll(async () => {
    await writeFile(join(folder, 'hello'), 'from the host\n')
    guest = start(files!, '-m', '256M', '-virtfs', `local,path=${folder},mount_tag=shared,security_model=none`, '-nic', 'user,model=virtio-net-pci',
      '-device', 'virtio-balloon-pci', '-device', 'virtio-keyboard-pci')
    await guest.booted()
    expect(await guest.run('load-modules')).not.toMatch(/insmod:/)
  }, BOOT_TIMEOUT + ANSWER_TIMEOUT)
  afterAll(() => guest.kill())

  test('mounts the folder and reads and writes in it', async () => {
    expect(await guest.run('mkdir /mnt; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 shared /mnt && cat /mnt/hello')).toMatch(/from the host$/)
    const sum = await guest.run('cp /bin/busybox /mnt/copy; md5sum < /bin/busybox')
    expect(await guest.run('umount /mnt; mount -t 9p -o trans=virtio shared /mnt; md5sum < /mnt/copy')).toBe(sum)
    expect(await guest.run('/mnt/copy 2>&1 | head -1; mkdir /mnt/d; mv /mnt/copy /mnt/d/busybox; /mnt/d/busybox echo runs')).toMatch(/runs$/)
    await guest.run('for n in $(seq 100); do echo $n > /mnt/d/$n; done')
    expect(await readdir(join(folder, 'd'))).toHaveLength(101)
    expect(await readFile(join(folder, 'd', '77'), 'utf8')).toBe('77\n')
    expect(await guest.run('rm -r /mnt/d; ls /mnt')).toBe('hello')
  })

  test('its links lead nowhere on the host, special files are refused, unlinked files live on', async () => {
    expect(await guest.run('ln -s ../../../../../../etc/hostname /mnt/link; cat /mnt/link')).toMatch(/No such file/)
    expect((await lstat(join(folder, 'link'))).isSymbolicLink()).toBe(true)
    expect(await guest.run('mkfifo /mnt/pipe; mknod /mnt/null c 1 3; ls /mnt')).toMatch(/not permitted[^]*not permitted[^]*hello +link$/)
    expect(await guest.run('exec 3>/mnt/gone; rm /mnt/gone; echo still >&3 && echo written; exec 3>&-')).toBe('written')
  })

  test('reaches the host through the card', async () => {
    await guest.run('ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0')
    expect(await guest.run('ping -c 3 10.0.2.2 | grep received')).toMatch(/3 packets received/)
  })

  test('finds balloon and keyboard', async () => {
    expect(await guest.run('ls -d /sys/bus/virtio/drivers/virtio_balloon/virtio* | wc -l')).toBe('1')
    expect(await guest.run('grep -c "virtio keyboard" /proc/bus/input/devices')).toBe('1')
  })

  test('has no complaints about them', async () => {
    const lines = complaints(await guest.run('umount /mnt; dmesg -r'))
    expect(lines.filter((line) => /virtio|9p|eth0|balloon|input/i.test(line) && !/taint|verification failed/.test(line))).toEqual([])
  })
})
