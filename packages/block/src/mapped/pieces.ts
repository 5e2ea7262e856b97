/** The blocks a range lies in: index, offset within the block, offset within the range, length. */
export function* blockPieces(blockSize: number, offset: number, length: number): Generator<[index: number, within: number, at: number, length: number]> {
  for (let at = 0; at < length;) {
    const index = Math.floor((offset + at) / blockSize)
    const within = offset + at - index * blockSize
    const part = Math.min(blockSize - within, length - at)
    yield [index, within, at, part]
    at += part
  }
}
