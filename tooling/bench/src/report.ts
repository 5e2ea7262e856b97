import { median, spread } from './statistics.ts'
import type { Sample } from './peer.ts'

/** All samples of one load, by peer. */
export interface LoadResult {
  readonly load: string
  readonly unit: string
  readonly samples: Readonly<Record<string, readonly Sample[]>>
}

export interface Row {
  readonly load: string
  readonly unit: string
  readonly peer: string
  readonly median: number | undefined
  readonly spread: number | undefined
  /** This project's median divided by the peer's: 2 means the peer took half the time. */
  readonly ratio: number | undefined
  readonly note: string
}

const values = (samples: readonly Sample[]): number[] => samples.flatMap(sample => 'value' in sample ? [sample.value] : [])

/** Medians and ratios. A failed run is never dropped in silence: it is in the note. */
export function rows(results: readonly LoadResult[], reference: string): Row[] {
  return results.flatMap(({ load, unit, samples }) => {
    const own = median(values(samples[reference] ?? []))
    return Object.entries(samples).map(([peer, all]) => {
      const good = values(all)
      const failures = all.flatMap(sample => 'failed' in sample ? [sample.failed] : [])
      const middle = good.length > 0 ? median(good) : undefined
      const ratio = middle === undefined || Number.isNaN(own) ? undefined : own / middle
      const note = failures.length === 0 ? '' : `${good.length === 0 ? '' : `${failures.length} of ${all.length} failed: `}${failures[0]}`
      return { load, unit, peer, median: middle, spread: good.length > 0 ? spread(good) : undefined, ratio, note }
    })
  })
}

/** The rows as an aligned table. */
export function table(all: readonly Row[], reference: string): string {
  const cells = [['load', 'peer', 'median', '±', `${reference} ÷ peer`, ''], ...all.map(row => [
    row.load, row.peer, row.median === undefined ? '–' : `${row.median.toFixed(2)} ${row.unit}`,
    row.spread === undefined ? '' : `${(row.spread * 100).toFixed(0)}%`, row.ratio === undefined ? '–' : row.ratio.toFixed(2), row.note
  ])]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map(line => line[column]!.length)))
  return cells.map(line => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
}

/** A bar chart of the medians, as SVG. */
export function chart(all: readonly Row[]): string {
  const measured = all.filter(row => row.median !== undefined)
  const longest = Math.max(...measured.map(row => row.median!), Number.MIN_VALUE)
  const bars = measured.map((row, index) => {
    const y = 10 + index * 24
    const width = (row.median! / longest * 400).toFixed(1)
    return `<text x="190" y="${y + 13}" text-anchor="end">${row.load} ${row.peer}</text><rect x="200" y="${y}" width="${width}" height="18" fill="#4878a8"/>` +
      `<text x="${205 + Number(width)}" y="${y + 13}">${row.median!.toFixed(2)} ${row.unit}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${20 + measured.length * 24}" font-family="sans-serif" font-size="12">\n${bars.join('\n')}\n</svg>\n`
}
