export { FileStore } from './file-store.ts'
export { nodeCodecs } from './node-codecs.ts'
export { nodeFiles } from './node-files.ts'
