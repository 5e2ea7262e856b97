/** A connection: bytes both ways, in order. A socket, a WebTransport stream, a pipe. Rejections are coded errors (`connection-lost`). */
export interface ByteDuplex {
  /** The next bytes from the peer, at least one; undefined at the end. One read at a time. */
  read(): Promise<Uint8Array | undefined>
  /** Sends `chunks` in order and resolves when the peer has room for more. Until the peer has them, the bytes must not change. */
  write(chunks: readonly Uint8Array[]): Promise<void>
  /** Ends both directions. What was written before still goes out; reads and writes under way settle. */
  close(): void
}

/** Continues a connection encrypted, from the next byte on (NBD_OPT_STARTTLS). Rejects with a coded error when the peers do not trust each other. */
export type TlsUpgrade = (duplex: ByteDuplex) => Promise<ByteDuplex>
