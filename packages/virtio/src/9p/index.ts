export type {
  Creation, DirectoryEntry, FileAttributes, FileChanges, FileKind, FileNode, FileSystemStatistics, FileTree, OpenDirectory, OpenFile, OpenMode,
} from './file-tree.ts'
export { MemoryFileTree } from './memory-tree.ts'
export type { MemoryFileTreeOptions } from './memory-tree.ts'
export { NinePServer } from './server.ts'
export type { NinePServerOptions } from './server.ts'
export type { SessionLimits } from './session.ts'
export { VirtioNineP } from './virtio-9p.ts'
export type { VirtioNinePOptions, VirtioNinePState } from './virtio-9p.ts'
