export { MemoryFiles, resolveName } from './files.ts'
export type { FileAccess, ImageFiles } from './files.ts'
export type {
  BackingReference, CheckResult, ImageBackend, ImageCreateOptions, ImageExtent, ImageFormat, ImageInfo, ImageOpenOptions, ImageOption, ImageSnapshot,
  ImageSnapshots,
} from './format.ts'
export { formats } from './formats.ts'
export * from './nbd/index.ts'
export { formatNamed, openImage, probeFormat } from './open.ts'
export type { OpenImageOptions } from './open.ts'
export { RawImage } from './raw/raw.ts'
export { MemoryStore } from './stores/memory-store.ts'
export type { Codec, Codecs } from './support/codecs.ts'
export { MAX_SIZE, SECTOR, checkAccess, checkBytes, checkSectors, isZero } from './support/range.ts'
