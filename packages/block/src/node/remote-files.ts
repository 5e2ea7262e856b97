import type { ImageFiles } from '../files.ts'
import { withRemoteFiles } from '../http/remote-files.ts'
import type { NbdClientOptions } from '../nbd/client.ts'
import { clientTls, connectNbd } from '../nbd/node/socket-duplex.ts'
import type { NbdAddress } from '../nbd/uri.ts'
import { nodeFiles } from './node-files.ts'

/** How to reach an NBD export from this host; the certificate of an encrypted one must be signed by an authority the host trusts. */
export function nbdOverSockets(address: NbdAddress): NbdClientOptions {
  return { connect: () => connectNbd(address), exportName: address.exportName, ...address.tls && { tls: clientTls(address.host) } }
}

/** Files of the host, and images at http://, https://, nbd://, nbds://, nbd+unix:// and nbds+unix://. */
export const nodeRemoteFiles: ImageFiles = withRemoteFiles(nodeFiles, nbdOverSockets)
