import type { FrameOffloads, UnfinishedFrame } from '@entresol/interfaces'
import { finishFrame } from '../codec/finish.ts'

/** Bounds of what NetworkPort carries: an Ethernet header, and the largest IPv4 or IPv6 packet with its headers. Bytes without FCS. */
export const FRAME_MIN = 14
export const FRAME_MAX = 65_550

export const NO_OFFLOADS: FrameOffloads = { checksum: false, tso4: false, tso6: false, uso: false }
export const ALL_OFFLOADS: FrameOffloads = { checksum: true, tso4: true, tso6: true, uso: true }

const OFFLOAD_OF = { tcp4: 'tso4', tcp6: 'tso6', udp: 'uso' } as const

function accepted(unfinished: UnfinishedFrame, accepts: FrameOffloads): boolean {
  const { checksum, segmentation } = unfinished
  if (checksum === undefined && segmentation === undefined) return true
  return accepts.checksum && (segmentation === undefined || accepts[OFFLOAD_OF[segmentation.kind]])
}

/** A frame on its way to one or more receivers; what its sender left undone is done at most once. */
export class Packet {
  readonly frame: Uint8Array
  readonly unfinished: UnfinishedFrame | undefined
  #finished: readonly Packet[] | undefined

  constructor(frame: Uint8Array, unfinished?: UnfinishedFrame) {
    this.frame = frame
    this.unfinished = unfinished
  }

  /** The packets to hand to a receiver that takes `accepts`: this one, or its finished pieces (none when the sender's hints make no sense). */
  for(accepts: FrameOffloads): readonly Packet[] {
    if (this.unfinished === undefined || accepted(this.unfinished, accepts)) return [this]
    return this.#finished ??= finishFrame(this.frame, this.unfinished).map((frame) => new Packet(frame))
  }

  /** One that may outlive the sender's buffer. (`slice` of a Node Buffer, which is a Uint8Array, does not copy.) */
  copy(): Packet {
    return new Packet(new Uint8Array(this.frame), this.unfinished)
  }
}
