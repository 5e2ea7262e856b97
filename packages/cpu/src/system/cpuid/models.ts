import { CodedError } from '@entresol/kit'
import { CPUID_WORDS } from '@entresol/x86'
import { addFeature, featureName, featureWords, nearest, removeFeature, withSynonyms } from './features.ts'
import type { CpuModel, CpuVendor } from './model.ts'

/** What every 64-bit model has. */
const BASE = 'fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 syscall nx lm'
const PARAVIRTUAL_FRIENDLY = 'x2apic tsc_deadline_timer hypervisor tsc_adjust constant_tsc rdtscp spec_ctrl bhi_ctrl arch_capabilities'
const V2 = 'cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2'
const V3 = 'avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave'

/**
 * Signatures of the newest microarchitecture all of whose instructions the model has: programs built with GCC's or Clang's
 * `target_clones("arch=…")` choose code by family and model without looking at the features.
 */
const NEHALEM = { family: 6, model: 0x1a, stepping: 5 }
const HASWELL = { family: 6, model: 0x3c, stepping: 3 }

/**
 * Named models. x86-64-v2 and v3 are the levels of the System V psABI with what kernels like to have beside them; qemu64 is QEMU's;
 * max is everything this CPU can do, but for MONITOR/MWAIT: with them idle guests poll more than they halt.
 */
const MODELS: Readonly<Record<string, { features: string; brand: string; family: number; model: number; stepping: number }>> = {
  'x86-64-v2': {
    features: `${BASE} ${PARAVIRTUAL_FRIENDLY} ${V2} pcid invpcid fsgsbase smep smap umip xsave xsaveopt rdrand rdseed clflushopt erms pdpe1gb 3dnowprefetch movbe aes pclmulqdq`,
    brand: 'Entresol x86-64-v2', ...NEHALEM,
  },
  'x86-64-v3': {
    features: `${BASE} ${PARAVIRTUAL_FRIENDLY} ${V2} ${V3} pcid invpcid fsgsbase smep smap umip xsaveopt xsavec xgetbv1 rdrand rdseed clflushopt erms pdpe1gb 3dnowprefetch aes pclmulqdq adx`,
    brand: 'Entresol x86-64-v3', ...HASWELL,
  },
  qemu64: { features: `${BASE} hypervisor cx16 lahf_lm pni x2apic`, brand: 'Entresol qemu64', family: 15, model: 0x6b, stepping: 1 },
  max: {
    features: `${BASE} ${PARAVIRTUAL_FRIENDLY} ${V2} ${V3} pcid invpcid fsgsbase smep smap umip la57 xsaveopt xsavec xgetbv1 rdrand rdseed clflushopt clwb erms fsrm rdpid pdpe1gb 3dnowprefetch aes pclmulqdq adx sha_ni`,
    brand: 'Entresol max', ...HASWELL,
  },
}

export const CPU_MODELS: readonly string[] = Object.keys(MODELS)
export const DEFAULT_CPU_MODEL = 'x86-64-v2'

export interface FeatureChanges {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
}

export interface CpuModelOptions {
  readonly vendor?: CpuVendor
  /** CPUs in the package (default 1). */
  readonly cpus?: number
  /** Initial APIC id in the leaves that have it (default 0); a vCPU's CPUID instruction puts its own there. */
  readonly apicId?: number
  /** Physical address width in bits, 36..52 (default 40). */
  readonly physicalAddressBits?: number
}

/**
 * Builds a model: `createCpuModel('x86-64-v2', { add: ['avx2'], remove: ['sse4.2'] })`. Features may be spelled as Linux or QEMU do;
 * adding one adds what it needs, removing one removes what needs it. Throws `unknown-cpu-model` and `unknown-cpu-feature`.
 */
export function createCpuModel(
  name: string, changes: FeatureChanges = {}, options: CpuModelOptions = {},
): CpuModel {
  const found = MODELS[name]
  if (!found) throw new CodedError('unknown-cpu-model', `unknown CPU model "${name}"; nearest: ${nearest(name, CPU_MODELS).join(', ')}`)
  const features = new Set<string>()
  for (const feature of found.features.split(' ')) addFeature(features, featureName(feature))
  for (const feature of changes.add ?? []) addFeature(features, featureName(feature))
  for (const feature of changes.remove ?? []) removeFeature(features, featureName(feature))
  const physicalAddressBits = options.physicalAddressBits ?? 40
  const vendor = options.vendor ?? 'GenuineIntel'
  const leaves = new Leaves({ ...found, vendor, features, physicalAddressBits, cpus: options.cpus ?? 1, apicId: options.apicId ?? 0 })
  return { name, vendor, features: withSynonyms(features), physicalAddressBits, cpuid: (leaf, subleaf) => leaves.get(leaf >>> 0, subleaf >>> 0) }
}

/** Splits QEMU's `-cpu` value: `x86-64-v2,+avx2,-sse4.2` or `x86-64-v2,avx2=on,sse4.2=off`. Names are checked by `createCpuModel`. */
export function parseCpuOption(text: string): { readonly name: string; readonly changes: FeatureChanges } {
  const [name = '', ...parts] = text.split(',').map((part) => part.trim())
  const add: string[] = []
  const remove: string[] = []
  for (const part of parts) {
    const sign = /^([+-])(.+)$/.exec(part)
    const assignment = /^([^=]+)(?:=(on|off|true|false|yes|no))?$/.exec(part)
    if (sign) (sign[1] === '+' ? add : remove).push(sign[2]!)
    else if (assignment) (/^(off|false|no)$/.test(assignment[2] ?? '') ? remove : add).push(assignment[1]!)
    else throw new CodedError('bad-cpu-option', `CPU option "${part}" is not understood: write +feature, -feature or feature=on`)
  }
  return { name, changes: { add, remove } }
}

type Leaf = readonly [number, number, number, number]
const NONE: Leaf = [0, 0, 0, 0]

interface LeafOptions {
  readonly features: ReadonlySet<string>
  readonly brand: string
  readonly vendor: CpuVendor
  readonly family: number
  readonly model: number
  readonly stepping: number
  readonly physicalAddressBits: number
  readonly cpus: number
  readonly apicId: number
}

const word = (text: string, at: number): number =>
  ((text.charCodeAt(at) || 0) | ((text.charCodeAt(at + 1) || 0) << 8) | ((text.charCodeAt(at + 2) || 0) << 16) | ((text.charCodeAt(at + 3) || 0) << 24)) >>> 0

/** Deterministic cache parameters, leaf 4: type, level, sizes in bytes (SDM vol. 2A, table 3-8). */
const CACHES = [
  { type: 1, level: 1, ways: 8, sets: 64, inclusive: 0 },
  { type: 2, level: 1, ways: 8, sets: 64, inclusive: 0 },
  { type: 3, level: 2, ways: 4, sets: 1024, inclusive: 0 },
  { type: 3, level: 3, ways: 16, sets: 8192, inclusive: 2 },
] as const

/** CPUID's answers (SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E). */
class Leaves {
  readonly #o: LeafOptions
  readonly #words: readonly number[]

  constructor(options: LeafOptions) {
    this.#o = options
    this.#words = featureWords(options.features)
  }

  get(leaf: number, subleaf: number): Leaf {
    if (leaf >= 0x80000000) return leaf <= 0x80000008 ? this.#extended(leaf) : this.#basic(0xd, subleaf)
    if ((leaf >>> 8) === 0x400000) return NONE
    // Above the highest basic leaf Intel answers with the data of that leaf.
    return this.#basic(Math.min(leaf, 0xd), subleaf)
  }

  #features(leaf: number, subleaf: number): [number, number, number, number] {
    const result: [number, number, number, number] = [0, 0, 0, 0]
    CPUID_WORDS.forEach((w, i) => {
      if (w.leaf === leaf && w.subleaf === subleaf) result[w.register] = this.#words[i]!
    })
    return result
  }

  #basic(leaf: number, subleaf: number): Leaf {
    const { vendor, cpus, apicId } = this.#o
    switch (leaf) {
      case 0: return [0xd, word(vendor, 0), word(vendor, 8), word(vendor, 4)]
      case 1: {
        const [, , ecx, edx] = this.#features(1, 0)
        const logical = cpus > 1 ? 1 << 28 : 0
        return [this.#signature(), ((apicId << 24) | (Math.min(cpus, 255) << 16) | (8 << 8)) >>> 0, ecx, (edx | logical) >>> 0]
      }
      // 80: no leaf-2 descriptors, see leaf 4 (FFH); 64-byte prefetch (F0H), 4K TLBs.
      case 2: return vendor === 'GenuineIntel' ? [0x00feff01, 0xf0, 0, 0] : NONE
      case 4: return vendor === 'GenuineIntel' ? this.#cache(subleaf) : NONE
      case 5: return this.#o.features.has('monitor') ? [64, 64, 0, 0] : NONE
      // ARAT: the APIC timer never stops.
      case 6: return [4, 0, 0, 0]
      case 7: {
        const result = this.#features(7, subleaf)
        // EAX of subleaf 0: the highest subleaf.
        if (subleaf === 0) result[0] = 2
        return result
      }
      case 0xb: return this.#topology(subleaf)
      case 0xd: return this.#xsave(subleaf)
      default: return NONE
    }
  }

  #signature(): number {
    const { family, model, stepping } = this.#o
    const [base, extended] = family > 15 ? [15, family - 15] : [family, 0]
    return ((extended << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 15) << 4) | stepping) >>> 0
  }

  get #idBits(): number {
    return Math.ceil(Math.log2(this.#o.cpus))
  }

  #cache(subleaf: number): Leaf {
    const cache = CACHES[subleaf]
    if (!cache) return NONE
    const ids = 1 << this.#idBits
    const sharing = cache.level === 3 ? ids - 1 : 0
    const eax = cache.type | (cache.level << 5) | (1 << 8) | (sharing << 14) | (Math.min(ids - 1, 63) << 26)
    return [eax >>> 0, (63 | ((cache.ways - 1) << 22)) >>> 0, cache.sets - 1, cache.inclusive]
  }

  /** One thread per core, all cores in one package. */
  #topology(subleaf: number): Leaf {
    const { cpus, apicId } = this.#o
    if (subleaf === 0) return [0, 1, 0x100, apicId]
    if (subleaf === 1) return [this.#idBits, cpus, 0x201, apicId]
    return [0, 0, subleaf & 0xff, apicId]
  }

  #xsave(subleaf: number): Leaf {
    const { features } = this.#o
    if (!features.has('xsave')) return NONE
    const avx = features.has('avx')
    const size = avx ? 832 : 576
    switch (subleaf) {
      case 0: return [avx ? 7 : 3, size, size, 0]
      case 1: return [this.#features(0xd, 1)[0], features.has('xsavec') ? size : 0, 0, 0]
      case 2: return avx ? [256, 576, 0, 0] : NONE
      default: return NONE
    }
  }

  #extended(leaf: number): Leaf {
    const { brand, vendor, features, physicalAddressBits, cpus } = this.#o
    const amd = vendor === 'AuthenticAMD'
    switch (leaf) {
      case 0x80000000: return [0x80000008, amd ? word(vendor, 0) : 0, amd ? word(vendor, 8) : 0, amd ? word(vendor, 4) : 0]
      case 0x80000001: {
        const [, , ecx, edx] = this.#features(leaf, 0)
        // AMD repeats leaf 1's EDX here, but for the bits that mean something else.
        const repeated = amd ? this.#features(1, 0)[3] & 0x0183f3ff : 0
        return [amd ? this.#signature() : 0, 0, ecx, (edx | repeated) >>> 0]
      }
      case 0x80000002: case 0x80000003: case 0x80000004: {
        const at = (leaf - 0x80000002) * 16
        return [word(brand, at), word(brand, at + 4), word(brand, at + 8), word(brand, at + 12)]
      }
      // L1: 32 KiB 8-way, 64-byte lines; L2: 256 KiB 4-way.
      case 0x80000005: return amd ? [0, 0, 0x20080140, 0x20080140] : NONE
      case 0x80000006: return [0, 0, 0x01004040, 0]
      case 0x80000007: return this.#features(leaf, 0)
      case 0x80000008: {
        const linear = features.has('la57') ? 57 : features.has('lm') ? 48 : 32
        return [physicalAddressBits | (linear << 8), 0, amd ? (cpus - 1) | (this.#idBits << 12) : 0, 0]
      }
      default: return NONE
    }
  }
}
