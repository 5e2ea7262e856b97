import { CodedError } from '@entresol/kit'
import type { ImageOption } from '../format.ts'

const bad = (message: string): CodedError => new CodedError('bad-option', message)

/** The options given, once it is sure that all of them are known: `bad-option`. */
export function parseOptions(given: Readonly<Record<string, string>> | undefined, known: readonly ImageOption[]): Readonly<Partial<Record<string, string>>> {
  for (const name of Object.keys(given ?? {})) if (!known.some((option) => option.name === name)) throw bad(`no option '${name}'`)
  return given ?? {}
}

/** 'on' and 'off', also yes/no and true/false; undefined stays so. */
export function parseSwitch(name: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined
  if (['on', 'yes', 'true', 'y'].includes(value)) return true
  if (['off', 'no', 'false', 'n'].includes(value)) return false
  throw bad(`${name}: '${value}' is neither on nor off`)
}

const UNITS = 'bkmgtpe'

/** Bytes: '512', '64k', '1.5G', as qemu-img reads them. */
export function parseSize(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const match = /^(\d+(?:\.\d+)?|0x[0-9a-f]+)([bkmgtpe]?)$/i.exec(value)
  const bytes = match ? Math.ceil(Number(match[1]) * 1024 ** Math.max(0, UNITS.indexOf(match[2]!.toLowerCase()))) : Number.NaN
  if (!Number.isSafeInteger(bytes)) throw bad(`${name}: '${value}' is no size`)
  return bytes
}
