// npm run bench [-- --load sha256 --load boot --bits 64 --rounds 5 --only entresol,qemu-tcg]: see README.md
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cache, root } from '@entresol/bootstrap/paths'
import { chart } from './chart.ts'
import { loads } from './loads.ts'
import { page } from './page.ts'
import type { Bits, Peer } from './peer.ts'
import { entresol } from './peers/entresol.ts'
import { qemu } from './peers/qemu.ts'
import { v86 } from './peers/v86.ts'
import { type LoadResult, rows, table } from './report.ts'
import { runPlan } from './run.ts'

const QUICK = ['boot', 'shell-loop', 'sha256', 'gzip', 'fork-exec']
const REFERENCE = 'entresol'
const BASELINE = 'qemu-tcg'
const folder = join(cache, 'bench')

const { values: options } = parseArgs({ options: {
  load: { type: 'string', multiple: true },
  bits: { type: 'string', multiple: true, default: ['64', '32'] },
  rounds: { type: 'string' },
  limit: { type: 'string', default: '60' },
  'boot-limit': { type: 'string', default: '300' },
  only: { type: 'string' },
  quick: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  'cpu-prof': { type: 'string' },
  json: { type: 'string', default: join(folder, 'results.json') },
  svg: { type: 'string', default: join(folder, 'results.svg') },
  html: { type: 'string', default: join(folder, 'results.html') }
} })

function fail(message: string): never {
  console.error(`bench: ${message}`)
  process.exit(2)
}

if (options.list) {
  for (const { name, group, bits, work } of loads) console.log(`${name.padEnd(18)}${group.padEnd(8)}${bits.join(', ').padEnd(8)}${work}`)
  process.exit(0)
}
const profiles = options['cpu-prof'] === undefined ? undefined : resolve(options['cpu-prof'])
const known: readonly Peer[] = [entresol(profiles), qemu, v86]
const chosen = options.only?.split(',') ?? known.map(({ name }) => name)
const wanted = options.load ?? (options.quick ? QUICK : loads.map(({ name }) => name))
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3))
const limit = Number(options.limit)
const unknownPeer = chosen.find(name => !known.some(peer => peer.name === name))
const unknownLoad = wanted.find(name => !loads.some(load => load.name === name))
if (unknownPeer !== undefined) fail(`no machine ${unknownPeer}; there are ${known.map(({ name }) => name).join(', ')}`)
if (unknownLoad !== undefined) fail(`no load ${unknownLoad}; --list shows them`)
if (options.bits.some(bits => bits !== '64' && bits !== '32')) fail('--bits is 64 or 32')
if (![rounds, limit, Number(options['boot-limit'])].every(number => number > 0)) fail('--rounds, --limit and --boot-limit are numbers above 0')

const average = loadavg()[0]!
const quiet = average <= cpus().length / 2
const host = `load average ${average.toFixed(1)} before${quiet ? '' : ': too busy for ratios that hold'}`
if (!quiet) console.error(`bench: ${host}`)
const present: Peer[] = []
const peers: Record<string, string> = {}
for (const peer of known.filter(({ name }) => chosen.includes(name))) {
  const found = await peer.version()
  peers[peer.name] = 'version' in found ? found.version : `missing: ${found.missing}`
  if ('version' in found) present.push(peer)
  console.error(`${peer.name}: ${peers[peer.name]}`)
}

const circumstances = {
  // Without the paths: they differ from host to host.
  command: ['npm run bench --', ...process.argv.slice(2).map(argument => argument.replace(root, ''))].join(' '),
  processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${host}`, rounds, limit, peers
}
let shown = ''
/** After every sample, so that an interrupted run leaves what it measured. */
function write(results: LoadResult[]): void {
  const report = rows(results, REFERENCE)
  shown = table(report, REFERENCE)
  for (const [path, content] of [
    [options.json, JSON.stringify({ ...circumstances, rows: report, results }, null, 2) + '\n'],
    [options.svg, chart(report, BASELINE, circumstances.processor)],
    [options.html, page(report, REFERENCE, BASELINE, circumstances)]
  ] as const) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
await runPlan({
  loads: loads.filter(({ name }) => wanted.includes(name)), peers: present, bits: options.bits.map(bits => Number(bits) as Bits), rounds, limit,
  bootLimit: Number(options['boot-limit']), grace: profiles === undefined ? 0 : 60,
  progress: (line, results) => {
    console.error(line)
    write(results)
  }
})
console.log(shown)
console.error(`${options.json} ${options.svg} ${options.html}`)
