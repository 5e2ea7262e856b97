import { describe, expect, it } from 'vitest'
import { CPU_MODELS, createCpuModel, DEFAULT_CPU_MODEL, parseCpuOption } from '../../src/system/cpuid/models.ts'

const bit = (value: number, n: number): boolean => ((value >>> n) & 1) === 1

describe('CPU models', () => {
  it('announce what their features say (SDM vol. 2A, CPUID)', () => {
    const v2 = createCpuModel('x86-64-v2')
    const [, , ecx, edx] = v2.cpuid(1, 0)
    expect([bit(ecx, 20), bit(ecx, 23), bit(ecx, 13), bit(edx, 26), bit(ecx, 28)]).toEqual([true, true, true, true, false])
    expect(bit(v2.cpuid(0x80000001, 0)[3], 29)).toBe(true)
    const v3 = createCpuModel('x86-64-v3')
    expect([bit(v3.cpuid(1, 0)[2], 28), bit(v3.cpuid(7, 0)[1], 5), bit(v3.cpuid(7, 0)[1], 8)]).toEqual([true, true, true])
  })

  it('are all buildable, the default among them', () => {
    for (const name of CPU_MODELS) expect(createCpuModel(name).cpuid(0, 0)[0]).toBe(0xd)
    expect(CPU_MODELS).toContain(DEFAULT_CPU_MODEL)
  })

  it('name a microarchitecture all of whose instructions they have (GCC picks functions by it, whatever the features say)', () => {
    const nehalem = ['pni', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'cx16', 'lahf_lm']
    const haswell = [...nehalem, 'pclmulqdq', 'xsave', 'xsaveopt', 'avx', 'fsgsbase', 'rdrand', 'f16c', 'avx2', 'bmi1', 'bmi2', 'lzcnt', 'fma', 'movbe']
    const instructions: Record<number, string[]> = { 0x6b: ['sse2'], 0x1a: nehalem, 0x3c: haswell }
    for (const name of CPU_MODELS) {
      const model = createCpuModel(name)
      const [signature] = model.cpuid(1, 0)
      const of = ((signature >>> 4) & 15) | ((signature >>> 12) & 0xf0)
      expect([name, instructions[of]!.filter((f) => !model.features.has(f))]).toEqual([name, []])
    }
  })

  it('adding a feature adds what it needs; removing one removes what needs it', () => {
    const added = createCpuModel('qemu64', { add: ['avx2'] })
    expect(['avx', 'xsave', 'sse4_1'].every((f) => added.features.has(f))).toBe(true)
    const removed = createCpuModel('x86-64-v3', { remove: ['sse3'] })
    expect(['ssse3', 'sse4_2', 'avx', 'avx2', 'fma'].some((f) => removed.features.has(f))).toBe(false)
    expect(removed.features.has('sse2')).toBe(true)
  })

  it('take QEMU\'s spellings', () => {
    const { name, changes } = parseCpuOption('x86-64-v2,+avx2,-sse4.2,rdrand=off')
    expect(name).toBe('x86-64-v2')
    expect(changes).toEqual({ add: ['avx2'], remove: ['sse4.2', 'rdrand'] })
    const model = createCpuModel('max', { remove: ['sse4.2', 'sha-ni', 'tsc-deadline'] })
    expect(['sse4_2', 'sha_ni', 'tsc_deadline_timer'].some((f) => model.features.has(f))).toBe(false)
  })

  it('name the nearest valid ones when a model or feature does not exist', () => {
    expect(() => createCpuModel('x86-64-v9')).toThrow(/unknown CPU model "x86-64-v9"; nearest: x86-64-v2/)
    expect(() => createCpuModel('max', { add: ['avx5'] })).toThrow(/unknown CPU feature "avx5"; nearest: avx/)
  })

  it('describe the topology of n CPUs in leaves 1, 4 and 0BH', () => {
    const model = createCpuModel('max', {}, { cpus: 6, apicId: 5 })
    expect(model.cpuid(1, 0)[1] >>> 24).toBe(5)
    expect((model.cpuid(1, 0)[1] >>> 16) & 0xff).toBe(6)
    expect(model.cpuid(0xb, 0)).toEqual([0, 1, 0x100, 5])
    expect(model.cpuid(0xb, 1)).toEqual([3, 6, 0x201, 5])
    expect(model.cpuid(4, 0)[0] >>> 26).toBe(7)
  })

  it('leaf 0DH gives sizes and offsets of the XSAVE area', () => {
    expect(createCpuModel('x86-64-v3').cpuid(0xd, 0)).toEqual([7, 832, 832, 0])
    expect(createCpuModel('x86-64-v3').cpuid(0xd, 2)).toEqual([256, 576, 0, 0])
    expect(createCpuModel('x86-64-v2').cpuid(0xd, 0)).toEqual([3, 576, 576, 0])
  })

  it('say the vendor and the widths of addresses', () => {
    const model = createCpuModel('max', {}, { vendor: 'AuthenticAMD' })
    const [, b, c, d] = model.cpuid(0, 0)
    const text = [b, d, c].map((w) => String.fromCharCode(w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24)).join('')
    expect(text).toBe('AuthenticAMD')
    expect(model.cpuid(0x80000008, 0)[0]).toBe((57 << 8) | 40)
  })
})
