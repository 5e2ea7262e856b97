// As a whole: naming what an older Node lacks would keep the module from being loaded there.
import * as zlib from 'node:zlib'
import type { InputType, ZlibOptions, ZstdOptions } from 'node:zlib'
import { promisify } from 'node:util'
import { CodedError } from '@entresol/kit'
import type { Codec, Codecs } from '../support/codecs.ts'
import { zstdFrameLength } from '../support/zstd-frame.ts'

type Call<Options> = (from: InputType, options: Options) => Promise<Uint8Array>

function codec<Options extends ZlibOptions | ZstdOptions>(
  decompress: Call<Options>, compress: Call<Options>, options: Options, frame: (from: Uint8Array) => Uint8Array = (from) => from,
): Codec {
  return {
    async decompress(from, limit) {
      try {
        return await decompress(frame(from), { maxOutputLength: limit } as Options)
      } catch (error) {
        throw error instanceof CodedError ? error : new CodedError('bad-image', `compressed data: ${(error as Error).message}`, { cause: error })
      }
    },
    compress: (from) => compress(from, options),
  }
}

const { constants, deflate, deflateRaw, inflate, inflateRaw, zstdCompress, zstdDecompress } = zlib

const zstd: Codec | undefined = typeof zstdCompress === 'function'
  ? codec<ZstdOptions>(promisify(zstdDecompress), promisify(zstdCompress), {}, (from) => from.subarray(0, zstdFrameLength(from)))
  : undefined

/** Node's own zlib and, from Node 22.15 on, zstd. They work in Node's thread pool. */
export const nodeCodecs: Codecs = {
  deflate: codec<ZlibOptions>(promisify(inflateRaw), promisify(deflateRaw), { windowBits: 12, level: constants.Z_DEFAULT_COMPRESSION }),
  zlib: codec<ZlibOptions>(promisify(inflate), promisify(deflate), {}),
  ...(zstd && { zstd }),
}
