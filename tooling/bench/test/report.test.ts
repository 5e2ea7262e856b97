import { expect, test } from 'vitest'
import { secondsToPrompt } from '../src/process.ts'
import { chart, rows, table } from '../src/report.ts'
import { median, spread } from '../src/statistics.ts'

test('the median of an even count is the mean of the two middle values', () => {
  expect(median([4, 1, 3, 100])).toBe(3.5)
  expect(median([3, 1, 2])).toBe(2)
  expect(spread([1, 1, 1])).toBe(0)
})

const results = [{ load: 'boot', unit: 's', samples: { us: [{ value: 10 }, { value: 12 }, { value: 11 }], peer: [{ value: 2 }, { failed: 'no prompt' }], other: [{ failed: '32-bit guests only' }] } }]

test('a ratio is our median over the peer\'s, and a failed run is named', () => {
  expect(rows(results, 'us').map(({ peer, ratio, note }) => ({ peer, ratio, note }))).toEqual([
    { peer: 'us', ratio: 1, note: '' },
    { peer: 'peer', ratio: 5.5, note: '1 of 2 failed: no prompt' },
    { peer: 'other', ratio: undefined, note: '32-bit guests only' }
  ])
})

test('what could not be measured stays in the table and out of the chart', () => {
  expect(table(rows(results, 'us'), 'us')).toContain('32-bit guests only')
  expect(chart(rows(results, 'us')).match(/<rect/g)).toHaveLength(2)
})

test('the time to a prompt ends with the prompt, not with the command', async () => {
  const sample = await secondsToPrompt({ file: process.execPath, args: ['-e', "setTimeout(() => process.stdout.write('\\r\\n~ # '), 50); setTimeout(() => {}, 60000)"] }, 30)
  expect(sample).toHaveProperty('value')
})

test('a command that ends or is silent too long is a failure with its reason', async () => {
  expect(await secondsToPrompt({ file: process.execPath, args: ['-e', "console.error('no such kernel'); process.exit(3)"] }, 30)).toEqual({ failed: 'ended with 3 before a prompt: no such kernel' })
  expect(await secondsToPrompt({ file: process.execPath, args: ['-e', 'setTimeout(() => {}, 60000)'] }, 0.2)).toEqual({ failed: 'no prompt within 0.2 s' })
})
