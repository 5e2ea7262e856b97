/** Which unfinished frames one end takes from the other: checksums to fill in and segments to cut (virtio 1.2, 5.1.3; what Linux calls offloads). */
export interface FrameOffloads {
  readonly checksum: boolean
  readonly tso4: boolean
  readonly tso6: boolean
  readonly uso: boolean
}

/** What the sender of a frame left undone, as in virtio_net_hdr (virtio 1.2, 5.1.6). Offsets in bytes from the start of the frame. */
export interface UnfinishedFrame {
  /** A 16-bit one's complement sum from `start` to the end is to be stored at `start + offset`; the pseudo header's sum stands there. */
  readonly checksum: { readonly start: number; readonly offset: number } | undefined
  /** The payload behind `headerLength` bytes of headers is to be cut into pieces of `size` bytes, headers repeated. Implies `checksum`. */
  readonly segmentation: { readonly kind: 'tcp4' | 'tcp6' | 'udp'; readonly size: number; readonly headerLength: number } | undefined
}

/** Takes a frame for good (it must copy what it keeps) and says true; or says false, and asks again with `NetworkPort.resume` when it has room. */
export type FrameListener = (frame: Uint8Array, unfinished?: UnfinishedFrame) => boolean

/**
 * One end of an Ethernet link, as seen by the device plugged into it. Frames without FCS, 14 to 65,550 bytes; whoever receives one copies what it
 * keeps before it returns. Bad frames are dropped and counted by whom they concern; nothing here throws for the content of a frame.
 */
export interface NetworkPort {
  /** What `send` accepts unfinished. */
  readonly offloads: FrameOffloads
  send(frame: Uint8Array, unfinished?: UnfinishedFrame): void
  /** The one receiver of this end, and what it accepts unfinished now; called again to change that. */
  onReceive(listener: FrameListener, accepts: FrameOffloads): void
  /** The receiver has room again after it said false. */
  resume(): void
  /** Carrier: false while the far end is not there. */
  readonly linkUp: boolean
  onLinkChange(listener: (up: boolean) => void): void
}
