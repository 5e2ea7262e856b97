import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openTap } from '../../src/tap/node/index.ts'
import { hostClock } from '../support/clock.ts'

const clock = hostClock()
const hasPerl = spawnSync('perl', ['-e', '1']).status === 0
const namespace = spawnSync('unshare', ['-n', 'perl', '-e', 'open(my $tun, "+<", "/dev/net/tun") or exit 1']).status === 0

describe('tap', () => {
  it('carries ARP and ICMP between the host and a station of ours', (ctx) => {
    ctx.skip(!namespace, 'network namespaces and /dev/net/tun are not for us here')
    const { stdout, stderr, status } = spawnSync('unshare', ['-n', process.execPath, fileURLToPath(new URL('inside.ts', import.meta.url))], { encoding: 'utf8' })
    expect({ status, stderr, said: stdout === '' ? undefined : JSON.parse(stdout) as unknown }).toEqual({
      status: 0, stderr: '', said: { name: 'entresol0', code: 0, seen: ['arp', 'echo'], up: true, after: false }
    })
  })
  it('what is no tap is a coded error', async (ctx) => {
    ctx.skip(!hasPerl, 'perl is not installed')
    await expect(openTap({ clock, interface: openSync('/dev/null', 'r+') })).rejects.toMatchObject({ code: 'tap' })
    await expect(openTap({ clock, interface: 'a/b' })).rejects.toMatchObject({ code: 'tap', message: expect.stringMatching(/^tap a\/b: /) as string })
  })
  it.each(['', 'a-name-that-is-too-long'])('%o is no name', async (name) => {
    await expect(openTap({ clock, interface: name })).rejects.toMatchObject({ code: 'tap' })
  })
})
