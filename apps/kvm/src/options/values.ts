import { badOption, oneOf, suggestion } from './words.ts'

/** A key=value list as QEMU writes it, in order. */
export type KeyValues = readonly (readonly [key: string, value: string])[]

/**
 * Splits "a=1,b=2". A comma inside a value is written twice. The first part may be a bare value of `implied`; other bare parts are
 * switches (`key` is key=on, `nokey` is key=off, for keys of `keys`). Unknown and empty parts are mistakes.
 */
export function keyValues(option: string, text: string, keys: readonly string[], implied?: string): KeyValues {
  return splitCommas(text).map((part, i) => {
    const equals = part.indexOf('=')
    if (equals < 0) {
      if (i === 0 && implied !== undefined) return [implied, part] as const
      if (keys.includes(part)) return [part, 'on'] as const
      if (part.startsWith('no') && keys.includes(part.slice(2))) return [part.slice(2), 'off'] as const
      throw badOption(option, part === '' ? 'empty parameter' : `unknown parameter '${part}'${suggestion(part, keys)}`)
    }
    return [oneOf(option, 'parameter', part.slice(0, equals), keys), part.slice(equals + 1)] as const
  })
}

/** Parts between single commas; two commas are one in the text. */
export function splitCommas(text: string): string[] {
  const parts = ['']
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== ',') parts[parts.length - 1] += text[i]
    else if (text[i + 1] === ',') parts[parts.length - 1] += text[i++]
    else parts.push('')
  }
  return parts
}

/** Non-negative integer, decimal or 0x hexadecimal. */
export function integer(option: string, what: string, text: string, minimum: number, maximum: number): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : NaN
  if (Number.isNaN(value)) throw badOption(option, `${what} '${text}' is no number`)
  if (value < minimum || value > maximum) throw badOption(option, `${what} ${text} is not between ${minimum} and ${maximum}`)
  return value
}

export function onOff(option: string, what: string, text: string): boolean {
  if (/^(on|yes|true)$/.test(text)) return true
  if (/^(off|no|false)$/.test(text)) return false
  throw badOption(option, `${what} must be on or off, not '${text}'`)
}

const UNITS: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** A size in bytes: a number with one of the suffixes B, K, M, G, T; without one it counts MiB. */
export function sizeInBytes(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([bkmgt]?)$/i.exec(text)
  if (!match) throw badOption(option, `'${text}' is no size; write 512M or 2G`)
  return Math.round(Number(match[1]) * UNITS[(match[2] || 'm').toLowerCase()]!)
}
