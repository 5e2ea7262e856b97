import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestContext } from 'vitest'
import { connectNbd, clientTls, serverTls } from '../../src/nbd/node/socket-duplex.ts'
import { listenNbd } from '../../src/nbd/node/listen.ts'
import type { NbdListener, NbdListenOptions } from '../../src/nbd/node/listen.ts'
import { NbdDisk } from '../../src/nbd/disk.ts'
import { listNbdExports } from '../../src/nbd/client-handshake.ts'
import { parseNbdUri } from '../../src/nbd/uri.ts'
import { memoryDisk, missing, pattern, run, temporary } from './support.ts'

const MIB = 1 << 20
const SIZE = 64 * MIB
const folder = temporary()
const data = pattern(4 * MIB, 7)

/** Says why a test is skipped. */
async function needs(context: TestContext, ...programs: string[]): Promise<void> {
  for (const program of programs) {
    const reason = await missing(program)
    if (reason !== undefined) context.skip(reason)
  }
}

describe('our NBD server and its peers', () => {
  const socket = folder.path('ours.sock')
  const uri = `nbd+unix:///disk?socket=${socket}`
  let listener: NbdListener
  const disk = memoryDisk(SIZE)

  beforeAll(async () => {
    await disk.write(8 * MIB, data)
    listener = await listenNbd({ socket }, { exports: [{ name: 'disk', description: 'a test', backend: disk, readOnly: false }, { name: 'second', backend: memoryDisk(MIB), readOnly: true }] })
  })
  afterAll(() => listener.close())

  it('nbdinfo reads size, features and the map', async context => {
    await needs(context, 'nbdinfo')
    const { exports } = JSON.parse((await run('nbdinfo', '--json', uri)).stdout) as { exports: Record<string, unknown>[] }
    expect(exports[0]).toMatchObject({
      'export-name': 'disk', description: 'a test', 'export-size': SIZE, is_read_only: false, can_flush: true, can_fua: true, can_multi_conn: true,
      can_trim: true, can_zero: true, can_df: true, block_size_minimum: 512, contexts: ['base:allocation'],
    })
    const list = JSON.parse((await run('nbdinfo', '--json', '--list', uri)).stdout) as { exports: Record<string, unknown>[] }
    expect(list.exports.map(each => [each['export-name'], each['is_read_only']])).toEqual([['disk', false], ['second', true]])
    const map = JSON.parse((await run('nbdinfo', '--map', '--json', uri)).stdout) as { offset: number; length: number; type: number }[]
    expect(map.map(({ offset, length, type }) => [offset, length, type])).toEqual([[0, 8 * MIB, 3], [8 * MIB, 4 * MIB, 0], [12 * MIB, SIZE - 12 * MIB, 3]])
  })

  it('nbdcopy copies out and in', async context => {
    await needs(context, 'nbdcopy')
    const file = folder.path('copy.raw')
    expect(await run('nbdcopy', uri, file)).toMatchObject({ code: 0 })
    await disk.writeZeroes(0, SIZE, true)
    expect(await run('nbdcopy', '--flush', file, uri)).toMatchObject({ code: 0 })
    const back = new Uint8Array(data.length)
    await disk.read(8 * MIB, back)
    expect(Buffer.compare(back, data)).toBe(0)
  })

  it('qemu-img compares it and maps it, qemu-io writes, zeroes, discards and flushes', async context => {
    await needs(context, 'qemu-img', 'qemu-io')
    const script = ['write -P 0x5a 1M 64k', 'write -f -P 0x5b 2M 64k', 'write -z 1M 32k', 'write -z -u 2M 4k', 'discard 2M 32k', 'flush', 'read -P 0x5a 1056k 32k', 'read -P 0 1M 32k']
    const answer = await run('qemu-io', '-f', 'raw', ...script.flatMap(each => ['-c', each]), uri)
    expect(answer.stdout + answer.stderr).not.toMatch(/failed|error/i)
    expect(answer.code).toBe(0)
    const file = folder.path('compare.raw')
    expect(await run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri, file)).toMatchObject({ code: 0 })
    expect(await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', uri, file)).toMatchObject({ code: 0 })
  })

  it('nbd-client lists the exports', async context => {
    await needs(context, 'nbd-client')
    const tcp = await listenNbd({ host: '127.0.0.1', port: 0 }, { exports: [{ name: 'disk', backend: disk, readOnly: false }] })
    try {
      const { stdout, stderr } = await run('nbd-client', '-l', '127.0.0.1', String(tcp.port))
      expect(stdout + stderr).toMatch(/^disk$/m)
    } finally {
      await tcp.close()
    }
  })

  it('the kernel’s client reads and writes', async context => {
    await needs(context, 'nbd-client')
    if (!existsSync('/dev/nbd0')) context.skip('this kernel has no /dev/nbd0')
    expect(await run('nbd-client', '-unix', socket, '/dev/nbd0', '-N', 'disk')).toMatchObject({ code: 0 })
    try {
      expect(await run('cmp', '-n', '4096', '/dev/nbd0', '/dev/zero')).toMatchObject({ code: 0 })
    } finally {
      await run('nbd-client', '-d', '/dev/nbd0')
    }
  })
})

describe('our NBD client and its peers', () => {
  it.each(['raw', 'qcow2'])('qemu-nbd serves a %s image', async format => {
    const reason = await missing('qemu-nbd')
    if (reason !== undefined) return console.warn(`skipped: ${reason}`)
    const file = folder.path(`served.${format}`)
    const socket = folder.path(`qemu-${format}.sock`)
    await run('qemu-img', 'create', '-f', format, file, String(SIZE))
    const server = spawn('qemu-nbd', ['-t', '-e', '4', '-f', format, '-k', socket, '-x', 'it', '--discard=unmap', file], { stdio: 'ignore' })
    try {
      for (let tries = 0; tries < 100 && !existsSync(socket); tries++) await new Promise(resolve => setTimeout(resolve, 50))
      const connect = () => connectNbd(parseNbdUri(`nbd+unix:///it?socket=${socket}`))
      expect(await listNbdExports(await connect())).toMatchObject([{ name: 'it' }])
      const client = await NbdDisk.open({ connect, exportName: 'it', connections: 4 })
      expect(client.size).toBe(SIZE)
      await Promise.all(Array.from({ length: 64 }, (_, index) => client.write(8 * MIB + index * 65536, data.subarray(index * 65536, index * 65536 + 65536))))
      await client.writeZeroes(9 * MIB, MIB, true)
      await client.flush()
      // qemu-img writes the first page of a raw image.
      expect(await client.status(MIB, SIZE - MIB)).toMatchObject({ length: 7 * MIB, zero: true })
      expect(await client.status(8 * MIB, SIZE - 8 * MIB)).toMatchObject({ length: MIB, zero: false, allocated: true })
      const back = new Uint8Array(4 * MIB)
      await client.read(8 * MIB, back)
      const expected = data.slice()
      expected.fill(0, MIB, 2 * MIB)
      expect(Buffer.compare(back, expected)).toBe(0)
      await client.discard(8 * MIB, MIB)
      await client.close()
    } finally {
      server.kill()
      await new Promise(resolve => server.once('exit', resolve))
    }
  })
})

describe('NBD over TLS', () => {
  const made = ['ca', 'server', 'client'] as const
  const tlsFile = (name: string): Buffer => keys.get(name)!
  const keys = new Map<string, Buffer>()
  let reason: string | undefined

  beforeAll(async () => {
    reason = await missing('openssl')
    if (reason !== undefined) return
    const { readFileSync } = await import('node:fs')
    for (const name of made) {
      const own = name === 'ca' ? ['-addext', 'basicConstraints=critical,CA:TRUE'] : ['-CA', folder.path('ca-cert.pem'), '-CAkey', folder.path('ca-key.pem'), '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE']
      const { code, stderr } = await run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
        '-keyout', folder.path(`${name}-key.pem`), '-out', folder.path(`${name}-cert.pem`), ...own)
      if (code !== 0) reason = `openssl cannot make certificates: ${stderr}`
      else for (const kind of ['key', 'cert']) keys.set(`${name}-${kind}`, readFileSync(folder.path(`${name}-${kind}.pem`)))
    }
  })

  const listen = (options: Partial<NbdListenOptions> = {}, ask = false) => listenNbd({ host: '127.0.0.1', port: 0 }, {
    exports: [{ name: '', backend: memoryDisk(MIB), readOnly: false }],
    tls: { required: true, upgrade: serverTls({ key: tlsFile('server-key'), cert: tlsFile('server-cert'), ca: tlsFile('ca-cert'), requestCert: ask, rejectUnauthorized: ask }) }, ...options,
  })

  it('client and server agree, or refuse each other', async context => {
    if (reason !== undefined) context.skip(reason)
    const listener = await listen()
    const connect = () => connectNbd({ host: '127.0.0.1', port: listener.port, tls: true, exportName: '' })
    try {
      const disk = await NbdDisk.open({ connect, tls: clientTls('localhost', { ca: tlsFile('ca-cert') }) })
      await disk.write(512, data.subarray(0, 65536))
      const back = new Uint8Array(65536)
      await disk.read(512, back)
      expect(Buffer.compare(back, data.subarray(0, 65536))).toBe(0)
      await disk.close()
      await expect(NbdDisk.open({ connect })).rejects.toMatchObject({ code: 'refused' })
      await expect(NbdDisk.open({ connect, tls: clientTls('localhost') })).rejects.toMatchObject({ code: 'tls-failed' })
      await expect(NbdDisk.open({ connect, tls: clientTls('elsewhere', { ca: tlsFile('ca-cert') }) })).rejects.toMatchObject({ code: 'tls-failed' })
    } finally {
      await listener.close()
    }
  })

  it('a client without the certificate the server asks for gets nothing', async context => {
    if (reason !== undefined) context.skip(reason)
    const listener = await listen({}, true)
    const connect = () => connectNbd({ host: '127.0.0.1', port: listener.port, tls: true, exportName: '' })
    try {
      await expect(NbdDisk.open({ connect, tls: clientTls('localhost', { ca: tlsFile('ca-cert') }) })).rejects.toMatchObject({ name: 'CodedError' })
      const disk = await NbdDisk.open({ connect, tls: clientTls('localhost', { ca: tlsFile('ca-cert'), key: tlsFile('client-key'), cert: tlsFile('client-cert') }) })
      await disk.read(0, new Uint8Array(512))
      await disk.close()
    } finally {
      await listener.close()
    }
  })

  it('a plain server is not spoken to in plain words', async context => {
    if (reason !== undefined) context.skip(reason)
    const listener = await listenNbd({ host: '127.0.0.1', port: 0 }, { exports: [{ name: '', backend: memoryDisk(MIB), readOnly: false }] })
    try {
      const connect = () => connectNbd({ host: '127.0.0.1', port: listener.port, tls: true, exportName: '' })
      await expect(NbdDisk.open({ connect, tls: clientTls('localhost', { ca: tlsFile('ca-cert') }) })).rejects.toMatchObject({ code: 'refused' })
    } finally {
      await listener.close()
    }
  })

  it('nbdinfo and qemu-img trust it, and we trust qemu-nbd', async context => {
    if (reason !== undefined) context.skip(reason)
    await needs(context, 'nbdinfo', 'qemu-img', 'qemu-nbd')
    const listener = await listen()
    try {
      const { stdout, stderr } = await run('nbdinfo', `nbds://localhost:${listener.port}/?tls-certificates=${folder.path('.')}`)
      expect(stdout + stderr).toMatch(/export-size: 1048576/)
    } finally {
      await listener.close()
    }
    writeFileSync(folder.path('tls.raw'), data)
    const server = spawn('qemu-nbd', ['-t', '-f', 'raw', '-b', '127.0.0.1', '-p', '19809', '--tls-creds', 'tls0', '--object', `tls-creds-x509,id=tls0,endpoint=server,dir=${folder.path('.')},verify-peer=no`, folder.path('tls.raw')], { stdio: 'ignore' })
    try {
      const connect = async () => {
        for (let tries = 0; ; tries++) {
          try {
            return await connectNbd({ host: '127.0.0.1', port: 19809, tls: true, exportName: '' })
          } catch (error) {
            if (tries === 100) throw error
            await new Promise(resolve => setTimeout(resolve, 50))
          }
        }
      }
      const disk = await NbdDisk.open({ connect, tls: clientTls('localhost', { ca: tlsFile('ca-cert') }) })
      const back = new Uint8Array(data.length)
      await disk.read(0, back)
      expect(Buffer.compare(back, data)).toBe(0)
      await disk.close()
    } finally {
      server.kill()
      await new Promise(resolve => server.once('exit', resolve))
    }
  })
})

describe('addresses of NBD exports', () => {
  it('name transport, place, export and encryption', () => {
    expect(parseNbdUri('nbd://example.org/a%20b')).toEqual({ host: 'example.org', port: 10809, tls: false, exportName: 'a b' })
    expect(parseNbdUri('nbds://[::1]:99')).toEqual({ host: '::1', port: 99, tls: true, exportName: '' })
    expect(parseNbdUri('nbd+unix:///x?socket=/tmp/s')).toEqual({ host: '', port: 0, socket: '/tmp/s', tls: false, exportName: 'x' })
    for (const bad of ['http://x/', 'nbd://', 'nbd+unix:///x', 'nbd://h/?what=1', 'nbd://h/%zz', 'nbd://h:999999/']) {
      expect(() => parseNbdUri(bad), bad).toThrow(expect.objectContaining({ code: 'bad-uri' }))
    }
  })
})

afterAll(() => folder.remove())
