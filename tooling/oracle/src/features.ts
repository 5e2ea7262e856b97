import { readFile } from 'node:fs/promises'

/** The CPU of this machine: vendor/family/model, and the features Linux lists. */
export async function hostCpu(): Promise<{ origin: string; features: ReadonlySet<string> }> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1] ?? ''
  const features = new Set(field('flags').split(' '))
  // Names that Linux spells in its own way.
  for (const [linux, manual] of [['pni', 'sse3'], ['abm', 'lzcnt'], ['sha_ni', 'sha']] as const) if (features.has(linux)) features.add(manual)
  return { origin: `${field('vendor_id')} ${field('cpu family')}/${field('model')}/${field('stepping')}`, features }
}
