import { CodedError } from '@entresol/kit'
import { CPUID_WORDS } from '@entresol/x86'

/** A feature's own needs: it goes when one of these goes, and brings them when added. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  sse: ['fxsr'],
  sse2: ['sse'],
  pni: ['sse2'],
  ssse3: ['pni'],
  sse4_1: ['ssse3'],
  sse4_2: ['sse4_1'],
  sse4a: ['pni'],
  aes: ['sse2'],
  pclmulqdq: ['sse2'],
  sha_ni: ['sse2'],
  avx: ['xsave', 'sse4_2'],
  avx2: ['avx'],
  fma: ['avx'],
  f16c: ['avx'],
  xsaveopt: ['xsave'],
  xsavec: ['xsave'],
  xgetbv1: ['xsave'],
  lm: ['pae', 'sse2', 'syscall', 'nx', 'cx8', 'cmov', 'msr', 'fxsr', 'pge', 'pse'],
  cx16: ['cx8'],
  lahf_lm: ['lm'],
  la57: ['lm'],
  pcid: ['lm'],
  invpcid: ['lm'],
  pdpe1gb: ['lm'],
  fsgsbase: ['lm'],
  nx: ['pae'],
  x2apic: ['apic'],
  tsc_deadline_timer: ['apic', 'tsc'],
  tsc_adjust: ['tsc', 'msr'],
  rdtscp: ['tsc'],
  smap: ['smep'],
  pge: ['pse'],
  mca: ['mce'],
  spec_ctrl: ['msr'],
  bhi_ctrl: ['spec_ctrl'],
  arch_capabilities: ['msr'],
}

/** Other spellings: QEMU's, and the manuals'. */
const ALIASES: Readonly<Record<string, string>> = {
  sse3: 'pni', abm: 'lzcnt', lzcnt: 'lzcnt', sha: 'sha_ni', 'sha-ni': 'sha_ni', 'tsc-deadline': 'tsc_deadline_timer', tsc_deadline: 'tsc_deadline_timer', xd: 'nx',
  'x2-apic': 'x2apic', '3dnowprefetch': '3dnowprefetch', ffxsr: 'fxsr', pclmuldq: 'pclmulqdq', cmpxchg16b: 'cx16', clfsh: 'clflush',
  invtsc: 'constant_tsc', 'lahf-lm': 'lahf_lm', 'fxsave': 'fxsr', 'nxe': 'nx', 'long-mode': 'lm',
}

/** Where a feature's bit is; leaf 80000001H:ECX[5] is called lzcnt here, abm in Linux. */
const BITS = new Map<string, { word: number; bit: number }>()
CPUID_WORDS.forEach((word, index) => {
  for (const [name, bit] of Object.entries(word.bits)) BITS.set(name === 'abm' ? 'lzcnt' : name === 'sse3' ? 'pni' : name, { word: index, bit })
})

export const FEATURE_NAMES: readonly string[] = [...BITS.keys()].sort()

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

/** The names nearest to a wrong one, for error messages. */
export const nearest = (name: string, among: readonly string[]): string[] =>
  among.map((candidate) => [distance(name, candidate), candidate] as const).sort((a, b) => a[0] - b[0]).slice(0, 3).map(([, candidate]) => candidate)

/** Canonical name of a feature in any spelling. Throws `unknown-cpu-feature`. */
export function featureName(spelling: string): string {
  const lower = spelling.trim().toLowerCase()
  const candidates = [lower, lower.replace(/[.-]/g, '_'), lower.replace(/[._-]/g, '')]
  for (const candidate of candidates) {
    const name = ALIASES[candidate] ?? candidate
    if (BITS.has(name)) return name
  }
  throw new CodedError('unknown-cpu-feature', `unknown CPU feature "${spelling}"; nearest: ${nearest(candidates[1]!, FEATURE_NAMES).join(', ')}`)
}

/** Adds a feature and what it needs. */
export function addFeature(features: Set<string>, name: string): void {
  if (features.has(name)) return
  features.add(name)
  for (const needed of NEEDS[name] ?? []) addFeature(features, needed)
}

/** Removes a feature and what needs it. */
export function removeFeature(features: Set<string>, name: string): void {
  if (!features.delete(name)) return
  for (const [other, needs] of Object.entries(NEEDS)) if (needs.includes(name)) removeFeature(features, other)
}

/** Words of feature bits, in the order of CPUID_WORDS. */
export function featureWords(features: ReadonlySet<string>): number[] {
  const words = CPUID_WORDS.map(() => 0)
  for (const name of features) {
    const at = BITS.get(name)
    if (at) words[at.word]! |= 1 << at.bit
  }
  return words.map((word) => word >>> 0)
}

/** Names instruction rows may use besides the canonical ones. */
export function withSynonyms(features: ReadonlySet<string>): ReadonlySet<string> {
  const all = new Set(features)
  if (all.has('pni')) all.add('sse3')
  if (all.has('lzcnt')) all.add('abm')
  if (all.has('sha_ni')) all.add('sha')
  return all
}
