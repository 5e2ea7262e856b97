// npm run bench [-- --load boot-cloud --rounds 5 --limit 600 --only entresol,qemu-tcg]
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cache } from '@entresol/bootstrap/paths'
import { loads } from './loads.ts'
import type { Peer, Sample } from './peer.ts'
import { entresol } from './peers/entresol.ts'
import { qemu } from './peers/qemu.ts'
import { v86 } from './peers/v86.ts'
import { chart, rows, table } from './report.ts'
import type { LoadResult } from './report.ts'

const { values: options } = parseArgs({ options: {
  load: { type: 'string', multiple: true },
  rounds: { type: 'string', default: '3' },
  limit: { type: 'string', default: '900' },
  only: { type: 'string' }
} })
const names = options.only?.split(',')
const rounds = Number(options.rounds)
const limit = Number(options.limit)

const present: Peer[] = []
const peers: Record<string, string> = {}
for (const peer of [entresol, qemu, v86].filter(({ name }) => names === undefined || names.includes(name))) {
  const found = await peer.version()
  peers[peer.name] = 'version' in found ? found.version : `missing: ${found.missing}`
  if ('version' in found) present.push(peer)
  console.log(`${peer.name}: ${peers[peer.name]}`)
}

const results: LoadResult[] = []
for (const load of loads.filter(({ name }) => options.load?.includes(name) ?? true)) {
  const work = await load.prepare().catch((error: Error) => error)
  const samples: Record<string, Sample[]> = Object.fromEntries(present.map(peer => [peer.name, []]))
  results.push({ load: load.name, unit: load.unit, samples })
  // Alternating: a machine that slows down slows all of them.
  for (let round = 1; round <= rounds; round++) for (const peer of present) {
    const last = samples[peer.name]!.at(-1)
    if (last && 'failed' in last) continue
    const sample = work instanceof Error ? { failed: `${load.name}: ${work.message}` } : await work(peer, limit)
    samples[peer.name]!.push(sample)
    console.error(`${load.name} ${round}/${rounds} ${peer.name}: ${'value' in sample ? `${sample.value.toFixed(2)} ${load.unit}` : sample.failed}`)
  }
}

const report = rows(results, entresol.name)
console.log(`\n${table(report, entresol.name)}`)
const folder = join(cache, 'bench')
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'results.json'), JSON.stringify({ processor: cpus()[0]?.model, peers, rounds, rows: report, results }, null, 2) + '\n')
writeFileSync(join(folder, 'results.svg'), chart(report))
console.log(`\n${join(folder, 'results.json')}, results.svg`)
