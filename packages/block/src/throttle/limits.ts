import { CodedError } from '@entresol/kit'
import type { Rate } from './leaky-bucket.ts'

/** I/O limits of a disk; what is absent is unlimited. */
export interface ThrottleLimits {
  readonly bpsTotal?: Rate
  readonly bpsRead?: Rate
  readonly bpsWrite?: Rate
  readonly iopsTotal?: Rate
  readonly iopsRead?: Rate
  readonly iopsWrite?: Rate
  /** Bytes that count as one operation; longer requests count as several. Absent: every request is one. */
  readonly iopsSize?: number
}

const NAMES = ['bps-total', 'bps-read', 'bps-write', 'iops-total', 'iops-read', 'iops-write'] as const
const MAXIMUM = 1e15

/** All names `parseThrottle` takes, as they stand behind `throttling.` in -drive. */
export const THROTTLE_OPTIONS: readonly string[] = [...NAMES.flatMap((name) => [name, `${name}-max`, `${name}-max-length`]), 'iops-size']

/** Limits from the texts of -drive's `throttling.*` options, by name without that prefix. Undefined: none. Code `bad-option`. */
export function parseThrottle(options: Readonly<Record<string, string>>): ThrottleLimits | undefined {
  const number = (name: string): number | undefined => {
    const text = options[name]
    if (text === undefined) return undefined
    if (!/^\d{1,16}$/.test(text) || Number(text) > MAXIMUM) throw bad(name, `'${text}' is not a number from 0 to ${MAXIMUM}`)
    return Number(text) || undefined
  }
  const unknown = Object.keys(options).find((name) => !THROTTLE_OPTIONS.includes(name))
  if (unknown !== undefined) throw bad(unknown, 'unknown limit')
  const limits: Record<string, Rate | number> = {}
  for (const name of NAMES) {
    const average = number(name)
    const max = number(`${name}-max`)
    const maxSeconds = number(`${name}-max-length`)
    if (max !== undefined && (average === undefined || max < average)) throw bad(`${name}-max`, `needs a smaller ${name}`)
    if (maxSeconds !== undefined && max === undefined) throw bad(`${name}-max-length`, `needs ${name}-max`)
    if (average !== undefined) limits[camel(name)] = { average, ...max !== undefined && { max }, ...maxSeconds !== undefined && { maxSeconds } }
  }
  for (const kind of ['bps', 'iops'] as const) {
    if (limits[`${kind}Total`] && (limits[`${kind}Read`] || limits[`${kind}Write`])) throw bad(`${kind}-total`, `does not go with ${kind}-read and ${kind}-write`)
  }
  const size = number('iops-size')
  if (size !== undefined) limits['iopsSize'] = size
  return Object.keys(limits).length > 0 ? limits : undefined
}

const camel = (name: string): string => name.replace(/-(.)/, (_, letter: string) => letter.toUpperCase())

function bad(name: string, what: string): CodedError {
  return new CodedError('bad-option', `throttling.${name}: ${what}`)
}
