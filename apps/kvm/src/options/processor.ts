import type { Configuration, Vocabulary } from './configuration.ts'
import { MAX_CPUS } from './configuration.ts'
import { integer, keyValues, onOff, splitCommas } from './values.ts'
import { badOption, oneOf, suggestion } from './words.ts'

/** -cpu MODEL[,+feature][,-feature][,feature=on|off] */
export function parseCpu(option: string, text: string, vocabulary: Vocabulary): Configuration['cpu'] {
  const [model = '', ...changes] = splitCommas(text)
  const wanted = new Map<string, boolean>()
  for (const change of changes) {
    const match = /^(?:([+-])([\w.-]+)|([\w.-]+?)(?:=(.*))?)$/.exec(change)
    if (!match) throw badOption(option, `'${change}' is no feature; write +avx2, -avx2 or avx2=off`)
    const name = match[2] ?? match[3]!
    const known = vocabulary.cpuFeatures
    if (known && !known.includes(name)) throw badOption(option, `unknown feature '${name}'${suggestion(name, known)}`)
    wanted.delete(name)
    wanted.set(name, match[1] === undefined ? match[4] === undefined || onOff(option, name, match[4]) : match[1] === '+')
  }
  const names = (on: boolean): string[] => [...wanted].filter(([, value]) => value === on).map(([name]) => name)
  return { model: oneOf(option, 'CPU model', model, vocabulary.cpuModels), add: names(true), remove: names(false) }
}

const SMP_KEYS = ['cpus', 'sockets', 'cores', 'threads', 'maxcpus'] as const

/** -smp [cpus=]n[,sockets=][,cores=][,threads=]; what is missing follows from the rest, cores before sockets. */
export function parseSmp(option: string, text: string): Configuration['smp'] {
  const values = new Map(keyValues(option, text, SMP_KEYS, 'cpus'))
  const count = (key: typeof SMP_KEYS[number]): number | undefined => {
    const value = values.get(key)
    return value === undefined ? undefined : integer(option, key, value, 1, MAX_CPUS)
  }
  const threads = count('threads') ?? 1
  const given = { cpus: count('cpus'), sockets: count('sockets'), cores: count('cores') }
  const cpus = given.cpus ?? (given.sockets ?? 1) * (given.cores ?? 1) * threads
  const sockets = given.sockets ?? (given.cores === undefined ? 1 : Math.max(1, Math.floor(cpus / (given.cores * threads))))
  const cores = given.cores ?? Math.max(1, Math.floor(cpus / (sockets * threads)))
  if (cpus > MAX_CPUS) throw badOption(option, `${cpus} CPUs; at most ${MAX_CPUS}`)
  if (sockets * cores * threads !== cpus) {
    throw badOption(option, `${sockets} sockets × ${cores} cores × ${threads} threads are not ${cpus} CPUs`)
  }
  const most = count('maxcpus')
  if (most !== undefined && most !== cpus) throw badOption(option, `maxcpus=${most}: CPUs cannot be added later; leave it out`)
  return { cpus, sockets, cores, threads }
}
