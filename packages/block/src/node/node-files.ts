import type { ByteStore } from '@entresol/interfaces'
import { resolveName } from '../files.ts'
import type { FileAccess, ImageFiles } from '../files.ts'
import { FileStore } from './file-store.ts'

/** Files of the host, all that this process may open. */
export const nodeFiles: ImageFiles = {
  open: (path: string, access: FileAccess): Promise<ByteStore> => FileStore.open(path, access),
  resolve: resolveName,
}
