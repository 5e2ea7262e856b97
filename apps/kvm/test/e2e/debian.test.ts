import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { guestFiles } from './guests.ts'
import { RunningGuest } from './support/guest.ts'
import { type FileServer, freePort, serveFolder } from './support/servers.ts'
import { img, tool } from './support/tools.ts'

// A whole distribution takes minutes: `npm run e2e:debian` runs this, the tests of every change do not.
const wanted = process.env['ENTRESOL_E2E_DEBIAN'] !== undefined
const guests = wanted ? await guestFiles('debian', 'repository', 'seabios') : undefined
/** Only bounds a hang: a machine that shares its cores boots slowly. */
const BOOT = 1_200_000
const STEP = 600_000

const folder = await mkdtemp(join(tmpdir(), 'entresol-debian-'))
afterAll(() => rm(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** From login to a shell that the harness understands. */
async function login(guest: RunningGuest): Promise<void> {
  await guest.waitFor(/debian login: /, BOOT)
  guest.type('root\n')
  await guest.waitFor(/Password: /, STEP)
  guest.type('entresol\n')
  await guest.waitFor(/root@debian:~# $/, STEP)
  guest.type("bind 'set enable-bracketed-paste off'; stty cols 500; PS1='~ # '\n")
  await guest.prompt(STEP)
}

describe.skipIf(!guests)('Debian 12 on a qcow2 disk', { timeout: BOOT }, () => {
  const debian = guests?.['debian'] ?? {}
  const disk = at('disk.qcow2')
  let guest: RunningGuest
  let server: FileServer
  let ssh: number
  let http: number
  const run = (command: string): Promise<string> => guest.run(command, STEP)
  const options = (): string[] => [
    '-m', '512', '-no-reboot', '-drive', `file=${disk},if=virtio,discard=unmap`, '-nic', `user,hostfwd=tcp:127.0.0.1:${ssh}-:22,hostfwd=tcp:127.0.0.1:${http}-:8000`,
  ]
  const sshOptions = (): string[] => ['-i', at('key'), '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=300']

  /** The file system on the disk as it is now, in a file of its own: e2fsck cannot replay a journal at an offset. */
  const rootPartition = async (): Promise<string> => {
    expect(await img('convert', '-O', 'raw', disk, at('whole.img'))).toMatchObject({ code: 0 })
    expect(await tool('dd', `if=${at('whole.img')}`, `of=${at('root.img')}`, 'bs=1M', 'skip=1', 'conv=sparse')).toMatchObject({ code: 0 })
    await rm(at('whole.img'))
    return at('root.img')
  }

  beforeAll(async () => {
    server = await serveFolder(guests!['repository']!['folder']!)
    ;[ssh, http] = [await freePort(), await freePort()]
    await writeFile(at('key'), await readFile(debian['key']!), { mode: 0o600 })
    expect(await img('create', '-q', '-f', 'qcow2', '-b', debian['qcow2']!, '-F', 'qcow2', disk)).toEqual({ code: 0, output: '' })
  })
  afterAll(() => {
    guest.kill()
    server.close()
  })

  test('boots through SeaBIOS and GRUB to a login that lets root in', async () => {
    guest = new RunningGuest([...options(), '-bios', guests!['seabios']!['bios']!])
    await login(guest)
    expect(await run('systemctl is-system-running --wait; systemctl --failed --no-legend')).toBe('running')
    expect(await run('findmnt -no SOURCE,FSTYPE /')).toMatch(/^\/dev\/vda1 +ext4$/)
  })

  test('installs a package from a mirror on the host, through the NAT', async () => {
    await run(`use-mirror '[trusted=yes]' http://10.0.2.2:${server.port} ./`)
    expect(await run('apt-get install -y hello && hello')).toMatch(/Setting up hello .*\n(.*\n)*Hello, world!$/)
    expect(server.requests.filter((path) => /hello_.*\.deb$/.test(path))).toHaveLength(1)
  })

  test('copies both ways with scp through a forwarded port', async () => {
    const bytes = randomBytes(3_000_001)
    await writeFile(at('there'), bytes)
    const copy = (from: string, to: string) => tool('scp', '-q', '-P', `${ssh}`, ...sshOptions(), from, to)
    expect(await copy(at('there'), 'root@127.0.0.1:/root/there')).toMatchObject({ code: 0 })
    expect(await run('sha256sum < /root/there')).toBe(`${sha256(bytes)}  -`)
    expect(await copy('root@127.0.0.1:/root/there', at('back'))).toMatchObject({ code: 0 })
    expect(sha256(await readFile(at('back')))).toBe(sha256(bytes))
  })

  test('fetches both ways with curl', async () => {
    const index = await readFile(join(guests!['repository']!['folder']!, 'Packages'))
    expect(await run(`curl -s http://10.0.2.2:${server.port}/Packages | sha256sum`)).toBe(`${sha256(index)}  -`)
    await run('cd /root && (python3 -m http.server 8000 > /dev/null 2>&1 &) ; until curl -s -o /dev/null http://127.0.0.1:8000/; do sleep 1; done; cd')
    const answer = await tool('curl', '-s', '-o', at('curled'), `http://127.0.0.1:${http}/there`)
    expect(answer).toEqual({ code: 0, output: '' })
    expect(sha256(await readFile(at('curled')))).toBe(sha256(await readFile(at('there'))))
  })

  test('a process killed while the guest writes leaves an image and a file system that are sound, with everything that was synced', { timeout: 2 * BOOT }, async () => {
    guest.type('i=0; while i=$((i+1)); do head -c $((i % 7 * 300000 + 5000)) /dev/urandom > f$i; sha256sum f$i > s$i; sync f$i s$i . && echo "synced $i"; rm -f f$((i-40)); done\n')
    await guest.waitFor(/synced 25\n/, STEP)
    guest.kill()
    const last = Number(/.*synced (\d+)\n/s.exec(await guest.ended)?.[1])
    const check = await img('check', '--output=json', disk)
    const { corruptions = 0, 'check-errors': errors } = JSON.parse(check.output) as { corruptions?: number; 'check-errors': number }
    expect({ corruptions, errors }).toEqual({ corruptions: 0, errors: 0 })
    const partition = await rootPartition()
    // 0: nothing to do; 1: mended, which replaying the journal counts as.
    expect((await tool('e2fsck', '-p', partition)).code).toBeLessThanOrEqual(1)
    expect(await tool('e2fsck', '-fn', partition)).toMatchObject({ code: 0 })
    for (let i = Math.max(1, last - 39); i <= last; i++) {
      await tool('debugfs', '-R', `dump /root/f${i} ${at('file')}`, partition)
      const sum = (await tool('debugfs', '-R', `cat /root/s${i}`, partition)).output
      expect(sum).toContain(`${sha256(await readFile(at('file')))}  f${i}`)
    }
  })

  test('boots by -kernel after that, and powers off cleanly', { timeout: 2 * BOOT }, async () => {
    guest = new RunningGuest([...options(), '-kernel', debian['kernel']!, '-initrd', debian['initrd']!, '-append', debian['commandLine']!])
    await login(guest)
    expect(await run('hello')).toBe('Hello, world!')
    guest.type('poweroff\n')
    await guest.waitFor(/Power down/, STEP)
    expect(await guest.exit).toBe(0)
    expect((await tool('e2fsck', '-n', await rootPartition())).output).toMatch(/: clean, /)
  })
})
