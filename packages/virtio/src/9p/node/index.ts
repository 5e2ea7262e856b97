export { HostFileTree } from './host-tree.ts'
export type { HostFileTreeOptions } from './host-tree.ts'
