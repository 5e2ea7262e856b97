import { expect, test } from 'vitest'
import { chart, lines } from '../src/chart.ts'
import { page } from '../src/page.ts'
import type { Sample } from '../src/peer.ts'
import { type LoadResult, rows, summary, table } from '../src/report.ts'
import { geometricMean, median, spread } from '../src/statistics.ts'

const load = (name: string, samples: Record<string, Sample[]>, more: Partial<LoadResult> = {}): LoadResult =>
  ({ load: name, group: 'cpu', work: 'work', unit: 's', bits: 64, samples, ...more })
const took = (...seconds: number[]): Sample[] => seconds.map(value => ({ value, output: 'sum' }))

test('the median of an even count is the mean of the two middle values', () => {
  expect(median([4, 1, 3, 100])).toBe(3.5)
  expect(median([3, 1, 2])).toBe(2)
  expect(spread([1, 1, 1])).toBe(0)
})

test('twice as fast and half as fast is as fast', () => {
  expect(geometricMean([2, 0.5])).toBeCloseTo(1)
})

test('a ratio is the peer\'s median over ours, and a failed run is named', () => {
  const all = rows([load('sort', { us: took(2, 3, 4), peer: [...took(6), { failed: 'no prompt' }] })], 'us')
  expect(all.map(({ ratio, note }) => ({ ratio, note }))).toEqual([
    { ratio: { value: 1, bound: '=' }, note: '' }, { ratio: { value: 2, bound: '=' }, note: '1 of 2: no prompt' }
  ])
})

test('a run over its limit makes the ratio a bound: at most when it was ours, at least when the peer\'s, none when both', () => {
  const ratioOf = (us: Sample[], peer: Sample[]) => rows([load('x', { us, peer })], 'us')[1]!.ratio
  expect(ratioOf([{ over: 60 }], took(6))).toEqual({ value: 0.1, bound: '≤' })
  expect(ratioOf(took(6), [{ over: 60 }])).toEqual({ value: 10, bound: '≥' })
  expect(ratioOf([{ over: 60 }], [{ over: 60 }])).toBeUndefined()
})

test('guests whose output differs between peers are shown up', () => {
  const all = rows([load('x', { us: [{ value: 1, output: 'a' }], peer: [{ value: 1, output: 'b' }] }), load('y', { us: took(1), peer: took(1) })], 'us')
  expect(all.map(({ note }) => note)).toEqual(['OUTPUT DIFFERS: a', 'OUTPUT DIFFERS: b', '', ''])
})

const mixed = rows([
  load('sort', { us: took(1), peer: took(4) }), load('gzip', { us: [{ over: 60 }], peer: took(60) }), load('sort', { us: took(1), peer: took(9) }, { bits: 32 }),
  load('boot', { us: took(4), peer: took(2) }, { group: 'boot' }), load('two', { us: took(1.9), peer: took(1.5) }, { group: 'smp', unit: '×' })
], 'us')

test('the summary keeps groups, guests and peers apart, names the worst load, and a bound makes the mean a bound', () => {
  expect(summary(mixed, 'us')).toEqual([
    { group: 'cpu', bits: 64, peer: 'peer', loads: 2, mean: { value: expect.closeTo(2) as number, bound: '≤' }, worst: { load: 'gzip', ratio: { value: 1, bound: '≤' } } },
    { group: 'cpu', bits: 32, peer: 'peer', loads: 1, mean: { value: expect.closeTo(9) as number, bound: '=' }, worst: { load: 'sort', ratio: { value: 9, bound: '=' } } },
    { group: 'boot', bits: 64, peer: 'peer', loads: 1, mean: { value: expect.closeTo(0.5) as number, bound: '=' }, worst: { load: 'boot', ratio: { value: 0.5, bound: '=' } } }
  ])
})

test('a throughput is shown as it is, without a ratio of ratios', () => {
  expect(table(mixed, 'us')).toMatch(/two +64-bit +us +1\.90 × +0% +–/)
})

test('the chart puts every other peer beside the baseline, with the mean of the CPU-bound loads', () => {
  expect(lines(mixed, 64, 'peer').get('cpu')!.map(({ label, bars }) => [label, bars[0]!.speed])).toEqual([
    ['sort', { value: 4, bound: '=' }], ['gzip', { value: 1, bound: '≤' }], ['geometric mean', { value: expect.closeTo(2) as number, bound: '≈' }]
  ])
  expect(chart(mixed, 'peer', 'one & only')).toMatch(/32-bit guest[^]*one &amp; only/)
})

test('what could not be measured is in the table and in the chart with its reason, and nothing a guest printed becomes markup', () => {
  const all = rows([load('x', { us: [{ failed: 'exit status 1: <b> & so on' }], peer: took(2) })], 'us')
  const html = page(all, 'us', 'peer', { command: 'npm run bench', processor: 'cpu', rounds: 1, limit: 60, peers: { us: '1', peer: '2' } })
  expect(table(all, 'us')).toContain('<b> & so on')
  expect(html).not.toContain('<b>')
  expect(html.match(/&lt;b&gt; &amp; so on/g)).toHaveLength(2)
})
