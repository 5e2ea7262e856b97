import { chart, escaped } from './chart.ts'
import { type Row, showMedian, showRatio, summary } from './report.ts'

/** What was measured with, for whoever reads the figures. */
export interface Circumstances {
  readonly command: string
  readonly processor: string
  readonly rounds: number
  readonly limit: number
  /** Version of each peer, or why it is missing. */
  readonly peers: Readonly<Record<string, string>>
}

const cells = (tag: 'th' | 'td', contents: readonly string[]): string => `<tr>${contents.map(content => `<${tag}>${escaped(content)}</${tag}>`).join('')}</tr>`
const tableOf = (heading: readonly string[], body: readonly (readonly string[])[]): string =>
  `<table>\n${[cells('th', heading), ...body.map(line => cells('td', line))].join('\n')}\n</table>`

/** The chart and both tables as one HTML page without anything to load. */
export function page(all: readonly Row[], reference: string, baseline: string, { command, processor, rounds, limit, peers }: Circumstances): string {
  const conclusion = tableOf(
    ['group', 'guest', 'against', 'loads', `${reference} is × as fast (geometric mean)`, 'worst load'],
    summary(all, reference).map(line => [
      line.group, `${line.bits}-bit`, line.peer, `${line.loads}`, showRatio(line.mean), `${line.worst.load} ${showRatio(line.worst.ratio)}`
    ])
  )
  const details = tableOf(['load', 'work', 'guest', 'machine', 'median', 'spread', `${reference} is × as fast`, ''], all.map(row => [
    row.load, row.work, `${row.bits}-bit`, row.peer, showMedian(row), row.spread === undefined ? '' : `${(row.spread * 100).toFixed(0)} %`,
    row.ratio === undefined || row.peer === reference ? '' : showRatio(row.ratio), row.note
  ]))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(reference)}: benchmarks</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: 2px 8px; text-align: left; vertical-align: top }
</style>
</head>
<body>
<h1>${escaped(reference)}: benchmarks</h1>
<p>The same guests and the same work on each machine, taking turns; medians of ${rounds} round${rounds === 1 ? '' : 's'}, ratios within this one run.
A load may take ${limit} s; one that needs longer counts as that and its ratio is a bound. Made by <code>${escaped(command)}</code>.</p>
<ul>
${Object.entries(peers).map(([name, version]) => `<li>${escaped(name)}: ${escaped(version)}</li>`).join('\n')}
<li>host: ${escaped(processor)}</li>
</ul>
${chart(all, baseline, processor)}
<h2>Groups</h2>
${conclusion}
<h2>Loads</h2>
${details}
</body>
</html>
`
}
