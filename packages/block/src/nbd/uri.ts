import { CodedError } from '@entresol/kit'
import { NBD_PORT } from './spec.ts'

/** Where an export is: the uri format of doc/uri.md, NetworkBlockDevice/nbd. */
export interface NbdAddress {
  readonly host: string
  readonly port: number
  /** Path of a Unix socket, instead of host and port. */
  readonly socket?: string
  readonly tls: boolean
  readonly exportName: string
}

/** `nbd://host:port/export`, `nbds://…`, `nbd+unix:///export?socket=path`, `nbds+unix://…`. Code `bad-uri`. */
export function parseNbdUri(uri: string): NbdAddress {
  const bad = (what: string): CodedError => new CodedError('bad-uri', `${uri}: ${what}`)
  const scheme = /^(nbds?)(\+unix)?:\/\//.exec(uri)
  if (!scheme) throw bad('not an NBD address; nbd://host:port/export or nbd+unix:///export?socket=path')
  let url: URL
  let exportName: string
  try {
    url = new URL(uri)
    exportName = decodeURIComponent(url.pathname.replace(/^\//, ''))
  } catch (error) {
    throw new CodedError('bad-uri', `${uri}: not a valid address`, { cause: error })
  }
  const tls = scheme[1] === 'nbds'
  const socket = url.searchParams.get('socket')
  for (const key of url.searchParams.keys()) if (key !== 'socket') throw bad(`unknown parameter '${key}'`)
  if (scheme[2] !== undefined) {
    if (!socket) throw bad('needs ?socket=path')
    return { host: '', port: 0, socket, tls, exportName }
  }
  if (url.hostname === '') throw bad('needs a host')
  if (socket !== null) throw bad('socket= goes with nbd+unix://')
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? NBD_PORT : Number(url.port), tls, exportName }
}
