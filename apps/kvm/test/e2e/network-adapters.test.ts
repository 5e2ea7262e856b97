import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BOOT_TIMEOUT, complaints, fetched, start } from './support/guest.ts'
import type { RunningGuest } from './support/guest.ts'

const files = await fetched('adapters')

/** Two adapters of one guest on one hub: the second lives in a network namespace of its own, so that packets really travel. */
describe.skipIf(files === undefined)('e1000 and rtl8139 with the drivers of Linux', { timeout: BOOT_TIMEOUT }, () => {
  let guest: RunningGuest
  const folder = mkdtempSync(join(tmpdir(), 'entresol-'))
  const dump = join(folder, 'a.pcap')
  beforeAll(async () => {
    guest = start(files!, '-m', '256M', '-no-reboot',
      '-netdev', 'hubport,id=a,hubid=0', '-device', 'e1000,netdev=a', '-netdev', 'hubport,id=b,hubid=0', '-device', 'rtl8139,netdev=b,mac=52:54:00:00:00:0b',
      '-object', `filter-dump,id=d,netdev=a,file=${dump},maxlen=96`)
    await guest.booted()
    for (const module of ['mii', 'e1000', '8139cp']) await guest.run(`insmod /lib/modules/${module}.ko`)
    await guest.run('unshare -n sleep 1000000 & sleep 1; N=$!')
    await guest.run('ip link set eth1 netns $N; ip addr add 10.1.1.1/24 dev eth0; ip link set eth0 up')
    await guest.run('nsenter -t $N -n sh -c "ip addr add 10.1.1.2/24 dev eth1; ip link set eth1 up"')
  }, BOOT_TIMEOUT)
  afterAll(() => {
    guest.kill()
    rmSync(folder, { recursive: true })
  })

  test('both come up with their addresses, and pings of all sizes pass', async () => {
    expect(await guest.run('cat /sys/class/net/eth0/address')).toBe('52:54:00:12:34:56')
    await guest.run('until ping -c 1 -W 1 10.1.1.2; do sleep 0.2; done')
    for (const size of [0, 1472, 20_000]) expect(await guest.run(`ping -c 2 -W 30 -s ${size} 10.1.1.2`)).toMatch(/ 2 packets received, 0% packet loss/)
  })
  test.each([
    ['e1000 to rtl8139', 'httpd -p 80 -h /tmp', 'nsenter -t $N -n wget -q -O - http://10.1.1.1/x'],
    ['rtl8139 to e1000', 'nsenter -t $N -n httpd -p 80 -h /tmp', 'wget -q -O - http://10.1.1.2/x']
  ])('two megabytes of TCP arrive as they were: %s', async (_name, server, client) => {
    await guest.run('dd if=/dev/urandom of=/tmp/x bs=1M count=2')
    const sum = await guest.run('md5sum < /tmp/x')
    await guest.run(server)
    expect(await guest.run(`${client} | md5sum`)).toBe(sum)
  })
  test('no packet was lost or bad, and no driver complains', async () => {
    // Errors and drops of reception, and of transmission.
    const counts = (await guest.run('cat /proc/net/dev; nsenter -t $N -n cat /proc/net/dev')).match(/eth\d:.*/g)!.map((line) => line.split(/[: ]+/).map(Number))
    expect(counts.map((line) => [line[3], line[4], line[11], line[12]])).toEqual([[0, 0, 0, 0], [0, 0, 0, 0]])
    expect(complaints(await guest.run('dmesg -r')).filter((line) => /eth\d|e1000|8139|irq/i.test(line) && !/RTC/.test(line))).toEqual([])
  })
  test('filter-dump has seen the packets', () => {
    const dumped = readFileSync(dump)
    expect(dumped.readUInt32LE(0)).toBe(0xa1b2c3d4)
    expect(dumped.readUInt32LE(16)).toBe(96)
    expect(dumped.length).toBeGreaterThan(1000 * (96 + 16))
  })
})
