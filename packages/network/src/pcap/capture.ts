import type { Clock, NetworkPort } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'

/** Classic pcap (draft-ietf-opsawg-pcap, sections 4 and 5), times in microseconds, little-endian. */
const MAGIC = 0xa1b2_c3d4
const VERSION_MAJOR = 2
const VERSION_MINOR = 4
const LINKTYPE_ETHERNET = 1
const FILE_HEADER = 24
const RECORD_HEADER = 16
/** The largest snapshot length programs take. */
const SNAPLEN_MAX = 262_144

export interface CaptureOptions {
  readonly clock: Clock
  /** Takes the file's bytes in order, header first; they are its own. */
  readonly write: (bytes: Uint8Array) => void
  /** Bytes kept of each frame, 1 to 262,144; default 65,536 (`maxlen` of `-object filter-dump`). */
  readonly snaplen?: number
  /** `queue` of filter-dump, named from the network's side; `rx`: frames from the device, `tx`: those to the device. Default `all`. */
  readonly queue?: 'all' | 'rx' | 'tx'
}

/**
 * A port that writes what passes it to a pcap file. Frames appear as they pass, once, when they are accepted: checksums and segments that an end
 * leaves to the other are not there yet, as in captures on any machine with offloads. Throws `bad-snaplen`.
 */
export function capturePort(port: NetworkPort, { clock, write, snaplen = 65_536, queue = 'all' }: CaptureOptions): NetworkPort {
  if (!(Number.isInteger(snaplen) && snaplen >= 1 && snaplen <= SNAPLEN_MAX)) {
    throw new CodedError('bad-snaplen', `pcap keeps 1 to ${SNAPLEN_MAX} bytes of a frame`)
  }
  // The clock runs on from the wall's at the start: times never go back.
  const epoch = clock.wallClock() * 1000 - clock.now() / 1000
  write(fileHeader(snaplen))
  const record = (frame: Uint8Array): Uint8Array => {
    const time = Math.floor(epoch + clock.now() / 1000)
    const kept = frame.subarray(0, snaplen)
    const bytes = new Uint8Array(RECORD_HEADER + kept.length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, Math.floor(time / 1e6), true)
    view.setUint32(4, time % 1e6, true)
    view.setUint32(8, kept.length, true)
    view.setUint32(12, frame.length, true)
    bytes.set(kept, RECORD_HEADER)
    return bytes
  }
  /** Records of what passes while the device looks at a frame, which goes before them if it is taken. */
  let held: Uint8Array[] | undefined
  const keep = (bytes: Uint8Array): void => held === undefined ? write(bytes) : void held.push(bytes)
  return {
    get offloads() { return port.offloads },
    get linkUp() { return port.linkUp },
    send(frame, unfinished) {
      if (queue !== 'tx') keep(record(frame))
      port.send(frame, unfinished)
    },
    onReceive(listener, accepts) {
      port.onReceive((frame, unfinished) => {
        if (queue === 'rx') return listener(frame, unfinished)
        const own = record(frame)
        const outer = held
        const inner: Uint8Array[] = held = []
        let taken = false
        try {
          taken = listener(frame, unfinished)
        } finally {
          held = outer
          if (taken) keep(own)
          for (const bytes of inner) keep(bytes)
        }
        return taken
      }, accepts)
    },
    resume: () => port.resume(),
    onLinkChange: (listener) => port.onLinkChange(listener)
  }
}

function fileHeader(snaplen: number): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, VERSION_MAJOR, true)
  view.setUint16(6, VERSION_MINOR, true)
  view.setUint32(16, snaplen, true)
  view.setUint32(20, LINKTYPE_ETHERNET, true)
  return bytes
}
