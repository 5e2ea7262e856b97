import type { ByteStore } from '@entresol/interfaces'
import { CodedError } from '@entresol/kit'
import type { FileAccess, ImageFiles } from '../files.ts'
import type { NbdClientOptions } from '../nbd/client.ts'
import { NbdStore } from '../nbd/store.ts'
import { parseNbdUri } from '../nbd/uri.ts'
import type { NbdAddress } from '../nbd/uri.ts'
import { HttpStore } from './http-store.ts'

/** `files`, and images at `http://` and `https://` (by fetch, read-only); at `nbd://` and its relatives where `nbd` says how to connect. */
export function withRemoteFiles(files: ImageFiles, nbd?: (address: NbdAddress) => NbdClientOptions): ImageFiles {
  return {
    resolve: (from, name) => files.resolve(from, name),
    open(path: string, access: FileAccess): Promise<ByteStore> {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path)?.[1]?.toLowerCase()
      if (scheme === 'http' || scheme === 'https') return openHttp(path, access)
      if (scheme !== undefined && nbd && /^nbds?(\+unix)?$/.test(scheme)) return openNbd(path, access, nbd)
      return files.open(path, access)
    },
  }
}

async function openHttp(url: string, access: FileAccess): Promise<ByteStore> {
  if (!access.readOnly) throw new CodedError('read-only', `${url}: files on web servers can only be read`)
  return HttpStore.open(url)
}

async function openNbd(uri: string, access: FileAccess, nbd: (address: NbdAddress) => NbdClientOptions): Promise<ByteStore> {
  const address = parseNbdUri(uri)
  const store = await NbdStore.open({ exportName: address.exportName, ...nbd(address) })
  if (access.readOnly || !store.readOnly) return store
  await store.close()
  throw new CodedError('read-only', `${uri}: the server lets nobody write`)
}
