import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import { FUZZED } from './devices.ts'
import { HostileDriver } from './hostile-driver.ts'

const { values } = parseArgs({ options: { device: { type: 'string' }, seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } })
/** Mistakes in the life of one driver, and lives of one device. */
const STEPS = 300
const LIVES = 20
/** A life is over in milliseconds; one that is not hangs. */
const PATIENCE = 30_000
const MAX_HEAP = 1 << 30

const names = values.device === undefined ? Object.keys(FUZZED) : [values.device]
for (const name of names) {
  const end = performance.now() + (1000 * Number(values.seconds)) / names.length
  let seed = Number(values.seed)
  let lives = 0
  let failures = 0
  for (; performance.now() < end; seed++) {
    try {
      const driver = new HostileDriver(name, seed)
      for (let life = 0; life < LIVES; life++) {
        const start = performance.now()
        await driver.live(STEPS)
        if (performance.now() - start > PATIENCE) throw new CodedError('fuzz-failure', `life ${life} took ${performance.now() - start} ms`)
      }
      lives += driver.lives
      failures += driver.failures
      if (process.memoryUsage().rss > MAX_HEAP) throw new CodedError('fuzz-failure', `the process needs ${process.memoryUsage().rss} bytes`)
    } catch (error) {
      console.error(`${name}: --seed ${seed} fails:`, error)
      process.exitCode = 1
      break
    }
  }
  console.log(`${name}: seeds ${values.seed} to ${seed - 1}, ${lives} drivers, ${failures} of them brought the device down`)
}
