import type { Observation, Report } from './monitor.ts'

/** What the guest saw or asked for is not what its virtual processor holds. */
export const escaped = ({ guest, virtual }: Observation): boolean => guest !== virtual

const hex = (value: number): string => value.toString(16).toUpperCase() + 'h'

export function renderReport({ exits, ticks, console, observations, end, eip }: Report): string {
  const byCount = [...exits].sort(([a, n], [b, m]) => m - n || a.localeCompare(b, 'en'))
  const total = byCount.reduce((sum, [, count]) => sum + count, 0)
  return [
    `The guest printed: ${JSON.stringify(console)}`,
    `It took ${ticks} timer interrupts.`,
    `It ended at ${hex(eip)}: ${end}.`, '',
    `exits by cause`, ...byCount.map(([cause, count]) => `${String(count).padStart(6)}  ${cause}`), `${String(total).padStart(6)}  in all`, '',
    'sensitive instruction   shows                     the guest       its virtual CPU',
    ...observations.map((seen) => [
      seen.probe.instruction.padEnd(24), seen.probe.meaning.padEnd(26), hex(seen.guest).padEnd(16), hex(seen.virtual).padEnd(16), escaped(seen) ? 'ESCAPES' : ''
    ].join('').trimEnd()), ''
  ].join('\n')
}
