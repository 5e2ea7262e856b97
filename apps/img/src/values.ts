import { CACHE_MODES } from '@entresol/block'
import type { CacheMode } from '@entresol/block'
import { badUsage } from './arguments.ts'
import type { Arguments } from './arguments.ts'

const SUFFIXES = 'kmgtpe'

/** Bytes: a number with one of the suffixes b, k, M, G, T, P, E. */
export function parseSize(what: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?|0x[0-9a-f]+)([bkmgtpe]?)$/i.exec(text)
  const bytes = match ? Math.round(Number(match[1]) * 1024 ** (SUFFIXES.indexOf(match[2]!.toLowerCase() || 'b') + 1)) : NaN
  if (!Number.isSafeInteger(bytes)) throw badUsage(`${what}: '${text}' is not a size; write bytes, or a number with k, M, G, T, P or E`)
  return bytes
}

export function parseCount(what: string, text: string, minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN
  if (!(value >= minimum && value <= maximum)) throw badUsage(`${what}: '${text}' is not a number from ${minimum}${maximum === Number.MAX_SAFE_INTEGER ? ' on' : ` to ${maximum}`}`)
  return value
}

/** Up to the next whole sector. */
export const wholeSectors = (bytes: number): number => Math.ceil(bytes / 512) * 512

/** Three digits and a unit, as qemu-img writes sizes: "196 KiB", "1.5 GiB". */
export function humanSize(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
  let unit = 0
  let value = bytes
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toPrecision(3))} ${units[unit]}B`
}

/** `-o name=value,…`, several times if need be; a comma in a value is written twice. A name alone means "on". */
export function formatOptions(given: Arguments): Record<string, string> {
  const options: Record<string, string> = {}
  for (const text of given.values('-o')) {
    for (const part of text.replaceAll(',,', '\0').split(',')) {
      if (part === '') continue
      const equals = part.indexOf('=')
      const [name, value] = equals < 0 ? [part, 'on'] : [part.slice(0, equals), part.slice(equals + 1)]
      options[name] = value.replaceAll('\0', ',')
    }
  }
  return options
}

/** A cache mode by the option `flag`. */
export function cacheMode(given: Arguments, flag: '-t' | '-T', otherwise: CacheMode): CacheMode {
  return given.choice(flag, Object.keys(CACHE_MODES) as CacheMode[]) ?? otherwise
}

/** Whether output is wanted as JSON. */
export function wantsJson(given: Arguments): boolean {
  return given.choice('--output', ['human', 'json']) === 'json'
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 4)}\n`
