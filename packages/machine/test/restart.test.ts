import { describe, expect, it } from 'vitest'
import { Machine } from '../src/machine.ts'
import type { BoardName } from '../src/options.ts'

/** A multiboot kernel (specification 0.6.96, 3.1) that halts. */
function haltingKernel(): Uint8Array {
  const base = 0x100000
  const fields = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), base, base, base + 36, base + 36, base + 32, 0x00fdebf4]
  return new Uint8Array(Uint32Array.from(fields).buffer)
}

describe('a restart the BIOS way: a jump to FFFF:0000 in real mode', () => {
  for (const board of ['pc', 'microvm'] satisfies BoardName[]) {
    it(`resets the ${board} board without firmware`, async () => {
      const machine = new Machine({ board, memory: 16 << 20, kernel: haltingKernel(), noReboot: true, codeCacheBytes: 4 << 20 })
      await machine.boot({ paused: true })
      const vcpu = machine.vcpus[0]!
      const r = vcpu.getRegisters()
      const real = { selector: 0, base: 0n, limit: 0xffff, attributes: 0x93 }
      r.segments = { ...r.segments, cs: { selector: 0xffff, base: 0xffff0n, limit: 0xffff, attributes: 0x9b }, ds: real, es: real, ss: real, fs: real, gs: real }
      vcpu.setRegisters({ ...r, rip: 0n, rflags: 2n, cr0: 0x10n, cr3: 0n, cr4: 0n, efer: 0n })
      machine.resume()
      expect(await machine.stopped).toEqual({ reason: 'reset' })
    })
  }
})
