/** One way of compressing. */
export interface Codec {
  /** Decompresses the stream `from` starts with, to at most `limit` bytes; what stands behind the stream's end is ignored. Code `bad-image`. */
  decompress(from: Uint8Array, limit: number): Promise<Uint8Array>
  /** Absent where the host cannot. */
  compress?(from: Uint8Array): Promise<Uint8Array>
}

/** The ways of compressing images use. Absent ones: images that need them are refused with `unsupported`. */
export interface Codecs {
  /** Bare deflate, RFC 1951. Compressed with a window of 4 KiB, which is what readers of qcow2 expect. */
  readonly deflate?: Codec
  /** Deflate in a zlib frame, RFC 1950. */
  readonly zlib?: Codec
  /** Zstandard, RFC 8878. */
  readonly zstd?: Codec
}
