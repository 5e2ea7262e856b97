import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import { LINK_FUZZERS } from './links.ts'
import { PARSER_FUZZERS } from './parsers.ts'

const { values } = parseArgs({ options: { target: { type: 'string' }, seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } })
/** Steps of one life of a target: everything in it follows from the seed. */
const STEPS = 300
/** A life is over in milliseconds; one that is not hangs. */
const PATIENCE = 60_000
const MAX_MEMORY = 1 << 30

const targets: Readonly<Record<string, (seed: number, steps: number) => void | Promise<void>>> = { ...PARSER_FUZZERS, ...LINK_FUZZERS }

// The seconds are shared by the targets.
const names = values.target === undefined ? Object.keys(targets) : [values.target]
for (const name of names) {
  const run = targets[name]
  if (run === undefined) {
    console.error(`--target ${name}: there are ${Object.keys(targets).join(', ')}`)
    process.exitCode = 2
    continue
  }
  const end = performance.now() + 1000 * Number(values.seconds) / names.length
  let seed = Number(values.seed)
  for (; performance.now() < end; seed++) {
    const start = performance.now()
    try {
      await run(seed, STEPS)
      if (performance.now() - start > PATIENCE) throw new CodedError('fuzz-failure', `the life took ${performance.now() - start} ms`)
      if (process.memoryUsage().rss > MAX_MEMORY) throw new CodedError('fuzz-failure', `the process needs ${process.memoryUsage().rss} bytes`)
    } catch (error) {
      console.error(`${name}: --seed ${seed} fails:`, error)
      process.exitCode = 1
      break
    }
  }
  console.log(`${name}: seeds ${values.seed} to ${seed - 1}, ${STEPS} steps each`)
}
