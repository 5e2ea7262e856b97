import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { openCharacter } from '../../src/characters/open-character.ts'
import { tool } from '../e2e/support/tools.ts'

const folder = await mkdtemp(join(tmpdir(), 'entresol-character-'))
afterAll(() => rm(folder, { recursive: true }))
const at = (name: string): string => join(folder, name)
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What the guest's device is sent, as it comes. */
function guestSide(port: { onData(listener: (bytes: Uint8Array) => number): void }): { text: string; has(text: string): Promise<void> } {
  const seen = {
    text: '',
    async has(text: string): Promise<void> {
      while (seen.text !== text) await new Promise(setImmediate)
    },
  }
  port.onData((data) => {
    seen.text += new TextDecoder().decode(data)
    return data.length
  })
  return seen
}

describe('character back-ends', () => {
  test('a file takes the output, new or behind what it has', async () => {
    await writeFile(at('log'), 'before ')
    const added = openCharacter({ kind: 'file', path: at('log'), append: true }, '-serial')
    added.port.write(bytes('after'))
    added.close()
    expect(await readFile(at('log'), 'latin1')).toBe('before after')
    expect(() => openCharacter({ kind: 'file', path: at('no/such'), append: false }, '-serial')).toThrow(`-serial: ${at('no/such')}: no such file`)
  })

  test('a server socket is ready when its peer is there; both ways flow, and the next peer may come', async () => {
    const server = openCharacter({ kind: 'socket', address: { path: at('server') }, server: true, wait: true }, '-serial')
    const guest = guestSide(server.port)
    let ready = false
    void server.ready.then(() => (ready = true))
    const knock = async () => {
      for (;;) {
        const peer = connect(at('server'))
        const connected = await Promise.race([once(peer, 'connect').then(() => true), once(peer, 'error').then(() => false)])
        if (connected) return peer
      }
    }
    const first = await knock()
    await server.ready
    expect(ready).toBe(true)
    first.write('typed')
    await guest.has('typed')
    server.port.write(bytes('printed'))
    expect(String((await once(first, 'data'))[0])).toBe('printed')
    first.end()
    await once(first, 'close')
    const second = await knock()
    second.write(' again')
    await guest.has('typed again')
    server.close()
  })

  test('a client connects, or says that it cannot', async () => {
    const peer = createServer((socket) => void socket.end('hello'))
    await new Promise<void>((resolve) => void peer.listen(at('peer'), resolve))
    const client = openCharacter({ kind: 'socket', address: { path: at('peer') }, server: false, wait: true }, '-serial')
    const guest = guestSide(client.port)
    await client.ready
    await guest.has('hello')
    client.close()
    peer.close()
    const nobody = openCharacter({ kind: 'socket', address: { path: at('nobody') }, server: false, wait: true }, '-chardev')
    await expect(nobody.ready).rejects.toThrow(`-chardev: ${at('nobody')}: no such file`)
  })

  test.skipIf(process.platform === 'win32')('pipes PATH.in and PATH.out go one way each', async () => {
    expect(await tool('mkfifo', at('pipe.in'), at('pipe.out'))).toEqual({ code: 0, output: '' })
    const pipe = openCharacter({ kind: 'pipe', path: at('pipe') }, '-serial')
    const guest = guestSide(pipe.port)
    await writeFile(at('pipe.in'), 'in')
    await guest.has('in')
    const out = tool('head', '-n', '1', at('pipe.out'))
    pipe.port.write(bytes('out\n'))
    expect((await out).output).toBe('out\n')
    pipe.close()
  })
})
