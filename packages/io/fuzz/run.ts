import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import { fuzzNic, NICS } from './nics.ts'

const { values } = parseArgs({ options: { device: { type: 'string' }, seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } })
const STEPS = 2000
/** A life is over in milliseconds; one that is not hangs. */
const PATIENCE = 30_000
const MAX_MEMORY = 1 << 30

const names = values.device === undefined ? Object.keys(NICS) : [values.device]
for (const name of names) {
  const end = performance.now() + 1000 * Number(values.seconds) / names.length
  let seed = Number(values.seed)
  for (; performance.now() < end; seed++) {
    const start = performance.now()
    try {
      fuzzNic(name, seed, STEPS)
      if (performance.now() - start > PATIENCE) throw new CodedError('fuzz-failure', `${STEPS} steps took ${performance.now() - start} ms`)
      if (process.memoryUsage().rss > MAX_MEMORY) throw new CodedError('fuzz-failure', `the process needs ${process.memoryUsage().rss} bytes`)
    } catch (error) {
      console.error(`${name}: --seed ${seed} fails:`, error)
      process.exitCode = 1
      break
    }
  }
  console.log(`${name}: seeds ${values.seed} to ${seed - 1}, ${STEPS} steps each`)
}
