import type { Group } from './loads.ts'
import type { Bits, Sample } from './peer.ts'
import { geometricMean, median, spread } from './statistics.ts'

/** All samples of one load in one guest, by peer. */
export interface LoadResult {
  readonly load: string
  readonly group: Group
  readonly work: string
  readonly unit: string
  readonly bits: Bits
  readonly samples: Readonly<Record<string, readonly Sample[]>>
}

/** How often one thing goes into another; at most or at least that when a run was over its limit; ≈ for a mean of both. */
export interface Ratio {
  readonly value: number
  readonly bound: '=' | '≤' | '≥' | '≈'
}

export interface Row {
  readonly load: string
  readonly group: Group
  readonly work: string
  readonly unit: string
  readonly bits: Bits
  readonly peer: string
  /** Median of the runs that ended; the limit when none did. */
  readonly median?: number
  readonly over?: boolean
  readonly spread?: number
  /** How many times as fast this project is: the peer's median divided by ours. Absent for the load that is a throughput already. */
  readonly ratio?: Ratio
  readonly note: string
}

/** One line of the conclusion: this project against one peer over a group of loads in one guest. */
export interface Summary {
  readonly group: Group
  readonly bits: Bits
  readonly peer: string
  readonly loads: number
  /** Geometric mean of the loads' ratios. */
  readonly mean: Ratio
  readonly worst: { readonly load: string, readonly ratio: Ratio }
}

const values = (samples: readonly Sample[]): number[] => samples.flatMap(sample => 'value' in sample ? [sample.value] : [])

export interface Middle {
  readonly median?: number
  readonly over?: boolean
}

function middle(samples: readonly Sample[]): Middle {
  const good = values(samples)
  if (good.length > 0) return { median: median(good) }
  const limit = samples.find(sample => 'over' in sample)
  return limit ? { median: limit.over, over: true } : {}
}

/** How many times as fast `own` is as `peer`. */
export function ratioOf(peer: Middle, own: Middle): Ratio | undefined {
  if (peer.median === undefined || own.median === undefined || (peer.over && own.over)) return undefined
  return { value: peer.median / own.median, bound: own.over ? '≤' : peer.over ? '≥' : '=' }
}

/** What the guest printed, when the runs of all peers do not agree on it. */
function disagreement(samples: Readonly<Record<string, readonly Sample[]>>, peer: string): string | undefined {
  const outputs = Object.values(samples).flat().flatMap(sample => 'output' in sample ? [sample.output] : [])
  const own = samples[peer]!.flatMap(sample => 'output' in sample ? [sample.output] : [])
  return new Set(outputs).size > 1 && own.length > 0 ? `OUTPUT DIFFERS: ${[...new Set(own)].join(' | ')}` : undefined
}

/** Medians and ratios. A run that failed or was over its limit is never dropped in silence: it is in the note. */
export function rows(results: readonly LoadResult[], reference: string): Row[] {
  return results.flatMap(({ load, group, work, unit, bits, samples }) => {
    const own = middle(samples[reference] ?? [])
    return Object.entries(samples).map(([peer, all]): Row => {
      const good = values(all)
      const here = middle(all)
      const ratio = group === 'smp' ? undefined : ratioOf(here, own)
      const misses = all.flatMap(sample => 'failed' in sample ? [sample.failed] : 'over' in sample ? [`over the limit of ${sample.over} s`] : [])
      const missed = misses.length === 0 ? undefined : `${good.length === 0 ? '' : `${misses.length} of ${all.length}: `}${misses[0]}`
      const note = [disagreement(samples, peer), missed].filter(part => part !== undefined).join('; ')
      return { load, group, work, unit, bits, peer, ...here, ...(good.length > 0 ? { spread: spread(good) } : {}), ...(ratio ? { ratio } : {}), note }
    })
  })
}

/** Geometric means per group, guest and peer, with the load where this project does worst. */
export function summary(all: readonly Row[], reference: string): Summary[] {
  const groups = Map.groupBy(
    all.filter(row => row.ratio !== undefined && row.peer !== reference && row.group !== 'mix'), ({ group, bits, peer }) => `${group} ${bits} ${peer}`
  )
  return [...groups.values()].map((members): Summary => {
    const ratios = members.map(row => row.ratio!)
    const bounds = [...new Set(ratios.map(({ bound }) => bound).filter(bound => bound !== '='))]
    const worst = members.toSorted((a, b) => a.ratio!.value - b.ratio!.value)[0]!
    const { group, bits, peer } = members[0]!
    return {
      group, bits, peer, loads: members.length, worst: { load: worst.load, ratio: worst.ratio! },
      mean: { value: geometricMean(ratios.map(({ value }) => value)), bound: bounds.length > 1 ? '≈' : bounds[0] ?? '=' }
    }
  })
}

export const showRatio = ({ value, bound }: Ratio): string => `${bound === '=' ? '' : `${bound} `}${value.toFixed(value < 0.1 ? 3 : 2)}`
export const showMedian = ({ median: middle, over, unit }: Row): string =>
  middle === undefined ? '–' : `${over ? '> ' : ''}${middle.toFixed(2)} ${unit}`

/** Cells under headings, aligned. */
function aligned(cells: readonly (readonly string[])[]): string {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(line => line[column]!.length)))
  return cells.map(line => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
}

/** Both tables as text. */
export function table(all: readonly Row[], reference: string): string {
  const details = aligned([['load', 'guest', 'peer', 'median', '±', `peer ÷ ${reference}`, ''], ...all.map(row => [
    row.load, `${row.bits}-bit`, row.peer, showMedian(row), row.spread === undefined ? '' : `${(row.spread * 100).toFixed(0)}%`,
    row.ratio === undefined ? '–' : showRatio(row.ratio), row.note
  ])])
  const lines = summary(all, reference)
  if (lines.length === 0) return details
  const conclusion = aligned([['group', 'guest', 'against', 'loads', `${reference} is × as fast`, 'worst'], ...lines.map(line => [
    line.group, `${line.bits}-bit`, line.peer, `${line.loads}`, showRatio(line.mean), `${line.worst.load} ${showRatio(line.worst.ratio)}`
  ])])
  return `${details}\n\n${conclusion}`
}
