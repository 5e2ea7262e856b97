import { CodedError } from '@entresol/kit'
import { put16, u16 } from './bytes.ts'

/** RFC 1035, 4.1. */
export const DNS_HEADER = 12
export const DNS_PORT = 53
export const DNS_RCODE = { OK: 0, FORMAT_ERROR: 1, SERVER_FAILURE: 2, NAME_ERROR: 3, NOT_IMPLEMENTED: 4, REFUSED: 5 } as const
export const DNS_TYPE = { A: 1, CNAME: 5, PTR: 12, TXT: 16, AAAA: 28 } as const
const RESPONSE = 0x8000
const TRUNCATED = 0x0200
/** RFC 1035, 2.3.4. */
const MAX_NAME = 255
const MAX_LABEL = 63
/** More compression pointers than this in one name are a loop, or meant to look like one. */
const MAX_POINTERS = 64

export interface DnsQuestion {
  /** Without the final dot; the root is the empty string. Bytes that are not printable ASCII stand as \\ddd (RFC 1035, 5.1). */
  readonly name: string
  readonly type: number
  readonly class: number
}

export interface DnsRecord extends DnsQuestion {
  /** Seconds. */
  readonly ttl: number
  /** View of the data. */
  readonly data: Uint8Array
}

export interface DnsMessage {
  readonly id: number
  readonly response: boolean
  readonly truncated: boolean
  readonly opcode: number
  readonly rcode: number
  readonly questions: readonly DnsQuestion[]
  readonly answers: readonly DnsRecord[]
}

/** Questions and answers of a message; undefined when it is malformed. The authority and additional sections are not read. */
export function readDns(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < DNS_HEADER) return undefined
  const flags = u16(bytes, 2)
  const questions: DnsQuestion[] = []
  const answers: DnsRecord[] = []
  let at = DNS_HEADER
  for (let left = u16(bytes, 4); left > 0; left--) {
    const name = readName(bytes, at)
    if (name === undefined || name.end + 4 > bytes.length) return undefined
    questions.push({ name: name.text, type: u16(bytes, name.end), class: u16(bytes, name.end + 2) })
    at = name.end + 4
  }
  for (let left = u16(bytes, 6); left > 0; left--) {
    const name = readName(bytes, at)
    if (name === undefined || name.end + 10 > bytes.length) return undefined
    const length = u16(bytes, name.end + 8)
    const from = name.end + 10
    if (from + length > bytes.length) return undefined
    const ttl = u16(bytes, name.end + 4) * 0x10000 + u16(bytes, name.end + 6)
    answers.push({ name: name.text, type: u16(bytes, name.end), class: u16(bytes, name.end + 2), ttl, data: bytes.subarray(from, from + length) })
    at = from + length
  }
  return {
    id: u16(bytes, 0), response: (flags & RESPONSE) !== 0, truncated: (flags & TRUNCATED) !== 0, opcode: (flags >> 11) & 0xf, rcode: flags & 0xf,
    questions, answers,
  }
}

/** The name at `at` and where what follows it stands. Compression pointers only point backwards, to a name (RFC 1035, 4.1.4). */
function readName(bytes: Uint8Array, from: number): { text: string; end: number } | undefined {
  const labels: string[] = []
  let at = from
  let end = -1
  let length = 1
  // What a pointer leads to stands before the pointer, all of it.
  let limit = bytes.length
  for (let pointers = 0; ;) {
    const size = bytes[at]
    if (size === undefined || at >= limit) return undefined
    if ((size & 0xc0) === 0xc0) {
      if (at + 2 > bytes.length || ++pointers > MAX_POINTERS) return undefined
      const target = u16(bytes, at) & 0x3fff
      if (end < 0) end = at + 2
      if (target >= at || target < DNS_HEADER) return undefined
      limit = at
      at = target
      continue
    }
    if (size > MAX_LABEL) return undefined
    if (size === 0) return { text: labels.join('.'), end: end < 0 ? at + 1 : end }
    length += size + 1
    if (length > MAX_NAME || at + 1 + size > limit) return undefined
    labels.push(String.fromCharCode(...bytes.subarray(at + 1, at + 1 + size))
      .replace(/[^!-~]|[.\\]/g, (char) => `\\${String(char.charCodeAt(0)).padStart(3, '0')}`))
    at += 1 + size
  }
}

/** A name in labels, uncompressed (RFC 1035, 3.1). Throws `network-bad-name`; names are ASCII (punycode) here. */
export function encodeName(name: string): Uint8Array {
  const labels = name.replace(/\.$/, '').split('.').filter((label, _, all) => label !== '' || all.length > 1)
  const bytes = new Uint8Array(labels.reduce((sum, label) => sum + label.length + 1, 1))
  if (bytes.length > MAX_NAME || labels.some((label) => !/^[!-~]{1,63}$/.test(label))) {
    throw new CodedError('network-bad-name', `${JSON.stringify(name)} is not a domain name`)
  }
  let at = 0
  for (const label of labels) {
    bytes[at++] = label.length
    for (const char of label) bytes[at++] = char.charCodeAt(0)
  }
  return bytes
}

/** Query for one record with recursion desired. */
export function writeDnsQuery(id: number, name: string, type: number): Uint8Array {
  const encoded = encodeName(name)
  const bytes = new Uint8Array(DNS_HEADER + encoded.length + 4)
  put16(bytes, 0, id)
  put16(bytes, 2, 0x0100)
  put16(bytes, 4, 1)
  bytes.set(encoded, DNS_HEADER)
  put16(bytes, DNS_HEADER + encoded.length, type)
  put16(bytes, DNS_HEADER + encoded.length + 2, 1)
  return bytes
}

/** The answer to `query` that there is none, for `rcode`: its header and questions. Undefined when it is no query. */
export function dnsFailure(query: Uint8Array, rcode: number): Uint8Array | undefined {
  if (query.length < DNS_HEADER || (u16(query, 2) & RESPONSE) !== 0) return undefined
  let end = DNS_HEADER
  let questions = 0
  for (; questions < u16(query, 4); questions++) {
    const name = readName(query, end)
    if (name === undefined || name.end + 4 > query.length) break
    end = name.end + 4
  }
  const bytes = query.slice(0, end)
  // Opcode and recursion desired as asked; recursion available.
  put16(bytes, 2, RESPONSE | (u16(query, 2) & 0x7900) | 0x80 | rcode)
  put16(bytes, 4, questions)
  bytes.fill(0, 6, DNS_HEADER)
  return bytes
}
