import type { Rate, ThrottleLimits } from '@entresol/block'
import type { Properties } from './properties.ts'
import { badOption } from './words.ts'

/** QEMU's name of each limit, and the one it had before. */
const LIMITS = [
  ['bps-total', 'bps'], ['bps-read', 'bps_rd'], ['bps-write', 'bps_wr'], ['iops-total', 'iops'], ['iops-read', 'iops_rd'], ['iops-write', 'iops_wr']
] as const
const LARGEST = 1e15

const name = (limit: string): string => `throttling.${limit}`

/** Parameters of -drive about limits of its speed. */
export const THROTTLING_KEYS: readonly string[] = [
  ...LIMITS.flatMap(([limit, old]) => [name(limit), name(`${limit}-max`), name(`${limit}-max-length`), old]), name('iops-size')
]

/** Undefined: no limits. */
export function parseThrottling(p: Properties): ThrottleLimits | undefined {
  const number = (key: string): number | undefined => p.integer(key, 0, LARGEST) || undefined
  const limits: Partial<Record<keyof ThrottleLimits['limits'], Rate>> = {}
  for (const [limit, old] of LIMITS) {
    const rate = number(name(limit)) ?? number(old)
    const burst = number(name(`${limit}-max`))
    const burstSeconds = number(name(`${limit}-max-length`))
    if (burst !== undefined && (rate === undefined || burst < rate)) throw badOption(p.option, `${name(`${limit}-max`)} needs a smaller ${name(limit)}`)
    if (burstSeconds !== undefined && burst === undefined) throw badOption(p.option, `${name(`${limit}-max-length`)} needs ${name(`${limit}-max`)}`)
    if (rate !== undefined) limits[limit] = { rate, ...(burst === undefined ? {} : { burst }), ...(burstSeconds === undefined ? {} : { burstSeconds }) }
  }
  for (const kind of ['bps', 'iops'] as const) {
    if (limits[`${kind}-total`] && (limits[`${kind}-read`] ?? limits[`${kind}-write`])) {
      throw badOption(p.option, `${name(`${kind}-total`)} does not go with ${kind}-read and ${kind}-write`)
    }
  }
  const requestBytes = number(name('iops-size'))
  return Object.keys(limits).length === 0 ? undefined : { limits, ...(requestBytes === undefined ? {} : { requestBytes }) }
}
