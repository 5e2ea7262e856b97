import { describe, expect, it } from 'vitest'
import { parseGuestForward, parseHostForward } from '../../src/index.ts'

describe('hostfwd', () => {
  it.each([
    ['tcp::2222-:22', { protocol: 'tcp', hostAddress: undefined, hostPort: 2222, guestAddress: undefined, guestPort: 22 }],
    ['udp:127.0.0.1:53-10.0.2.15:5353', { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 53, guestAddress: '10.0.2.15', guestPort: 5353 }],
    [':[::1]:0-[fec0::15]:80', { protocol: 'tcp', hostAddress: '::1', hostPort: 0, guestAddress: 'fec0::15', guestPort: 80 }],
  ])('%s is read', (text, forward) => {
    expect(parseHostForward(text)).toEqual(forward)
  })

  it.each(['', 'tcp', 'tcp::22', 'sctp::1-:2', 'tcp::70000-:22', 'tcp::22-:0', 'tcp::22-:70000', 'tcp:localhost:22-:22', 'tcp:1.2.3:22-:22', 'tcp::22-:22x', 'tcp::-1-:22'])('%j is refused', (text) => {
    expect(() => parseHostForward(text)).toThrow(expect.objectContaining({ code: 'network-bad-forward' }) as Error)
  })
})

describe('guestfwd', () => {
  it('leads from an address of the network to one of the host', () => {
    expect(parseGuestForward('tcp:10.0.2.100:80-tcp:127.0.0.1:8080')).toEqual({ address: '10.0.2.100', port: 80, target: { address: '127.0.0.1', port: 8080 } })
  })

  it.each(['tcp:10.0.2.100:80', 'tcp:10.0.2.100:80-cmd:cat', 'udp:10.0.2.100:80-tcp:127.0.0.1:80', 'tcp::80-tcp:127.0.0.1:80', 'tcp:10.0.2.100:0-tcp:127.0.0.1:80'])('%j is refused', (text) => {
    expect(() => parseGuestForward(text)).toThrow(expect.objectContaining({ code: 'network-bad-forward' }) as Error)
  })
})
