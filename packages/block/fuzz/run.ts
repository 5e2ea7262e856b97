import { parseArgs } from 'node:util'
import { CodedError } from '@entresol/kit'
import { fuzzImage, IMAGE_KINDS } from './images.ts'
import { fuzzClient, fuzzServer } from './nbd.ts'

const { values } = parseArgs({ options: { target: { type: 'string' }, seconds: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } })
const MAX_MEMORY = 2 ** 30

const TARGETS: Readonly<Record<string, (seed: number) => Promise<void>>> = {
  ...Object.fromEntries(IMAGE_KINDS.map((kind) => [kind, (seed: number) => fuzzImage(kind, seed)])),
  'nbd-server': fuzzServer,
  'nbd-client': fuzzClient,
}

const names = Object.keys(TARGETS).filter((name) => values.target === undefined || name.startsWith(values.target))
for (const name of names) {
  const end = performance.now() + (1000 * Number(values.seconds)) / names.length
  let seed = Number(values.seed)
  for (; performance.now() < end; seed++) {
    try {
      await TARGETS[name]!(seed)
      const { rss } = process.memoryUsage()
      if (rss > MAX_MEMORY) throw new CodedError('fuzz-failure', `the process needs ${rss} bytes`)
    } catch (error) {
      console.error(`--target ${name} --seed ${seed} fails:`, error)
      process.exitCode = 1
      break
    }
  }
  console.log(`${name}: seeds ${values.seed} to ${seed - 1}`)
}
