import { spawn } from 'node:child_process'
import type { Clock } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import { FrameStream, FrameWriter } from '../../links/frame-stream.ts'
import { LinkPort } from '../../links/link-port.ts'
import type { HostLink } from '../../links/index.ts'
import { TAP_HELPER } from './helper.ts'

export interface TapOptions {
  readonly clock: Clock
  /**
   * A name (`tap0`): of an interface that is there (`ip tuntap add dev tap0 mode tap user $USER`), or, for who may make one
   * (CAP_NET_ADMIN), of a new one that goes with the link; `%d` in it is a number of the kernel's choice. Or an inherited descriptor
   * of a TAP with IFF_NO_PI and without IFF_VNET_HDR (`-netdev tap,fd=`).
   */
  readonly interface: string | number
}

/** Longest name of an interface (Linux, IFNAMSIZ without the end). */
const NAME_MAX = 15
/** Bytes waiting for the helper, beyond which frames are lost, as on any full link. */
const MAX_PENDING = 4 << 20

/**
 * A TAP interface of Linux, held by a helper process in Perl. The link goes down when the helper dies. Rejects with `tap`: not Linux,
 * no Perl, no such interface, not allowed.
 */
export function openTap({ clock, interface: which }: TapOptions): Promise<HostLink & { readonly interface: string }> {
  if (typeof which === 'string' && (which.length === 0 || which.length > NAME_MAX)) {
    return Promise.reject(new CodedError('tap', `'${which}' is no name of an interface: 1 to ${NAME_MAX} characters`))
  }
  return new Promise((resolve, reject) => {
    const child = typeof which === 'string'
      ? spawn('perl', ['-e', TAP_HELPER, '--', which], { stdio: ['pipe', 'pipe', 'pipe'] })
      : spawn('perl', ['-e', TAP_HELPER], { stdio: ['pipe', 'pipe', 'pipe', which] })
    const [input, output, errors] = [child.stdin!, child.stdout!, child.stderr!]
    const port = new LinkPort(clock)
    const writer = new FrameWriter()
    const close = (): void => {
      port.wire = undefined
      input.end()
      output.resume()
    }
    const up = (name: string): void => {
      port.wire = {
        transmit: (frame) => {
          if (input.writableLength > MAX_PENDING) port.drop()
          else input.write(Buffer.from(writer.framed(frame)))
        },
        pressure: (waiting) => void (waiting ? output.pause() : output.resume())
      }
      resolve({ port, interface: name, get counters() { return port.counters }, close })
    }
    let said = ''
    errors.setEncoding('utf8').on('data', (text: string) => void (said = (said + text).slice(0, 1000)))
    input.on('error', () => undefined)
    let frames: FrameStream | undefined
    let start: Buffer = Buffer.alloc(0)
    output.on('data', (bytes: Buffer) => {
      if (frames === undefined) {
        start = Buffer.concat([start, bytes])
        if (start.length < 4 || start.length < 4 + start.readUInt32BE(0)) return
        const end = 4 + start.readUInt32BE(0)
        frames = new FrameStream((frame) => port.deliver(frame))
        up(start.toString('latin1', 4, end))
        bytes = start.subarray(end)
      }
      // The helper's records are frames, or it is not the helper.
      if (!frames.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))) child.kill()
    })
    child.on('error', (cause) => reject(new CodedError('tap', `perl, which holds the interface, cannot be run: ${cause.message}`, { cause })))
    child.on('close', () => {
      port.wire = undefined
      reject(new CodedError('tap', `tap ${which}: ${said.trim() || 'the helper ended'}`))
    })
  })
}
