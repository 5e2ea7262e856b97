import type { ByteDuplex } from './duplex.ts'
import { connectionLost } from './reader.ts'

/** A ByteDuplex over web streams: WebTransport, WebSocketStream, a pair of TransformStreams. */
export function streamDuplex(streams: { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> }): ByteDuplex {
  const reader = streams.readable.getReader()
  const writer = streams.writable.getWriter()
  let closed = false
  let writing = 0
  const lost = (error: unknown): never => {
    throw connectionLost(String(error))
  }
  // Whoever waits hears of the failure from read or write.
  reader.closed.catch(() => {})
  writer.closed.catch(() => {})
  writer.ready.catch(() => {})
  return {
    async read() {
      for (;;) {
        const { value, done } = await reader.read().catch(lost)
        if (done) return undefined
        if (value.length > 0) return value
      }
    },
    async write(chunks) {
      writing++
      try {
        for (const chunk of chunks) {
          if (closed) lost('the connection is closed')
          if (chunk.length > 0) await writer.write(chunk).catch(lost)
        }
      } finally {
        writing--
      }
    },
    close() {
      if (closed) return
      closed = true
      // A write that hangs would keep the stream open.
      const ended = writing > 0 ? writer.abort() : writer.close()
      ended.catch(() => {})
      reader.cancel().catch(() => {})
    },
  }
}
