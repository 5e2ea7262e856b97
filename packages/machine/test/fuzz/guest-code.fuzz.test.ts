import type { Gpa } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { fuzzSettings, Random } from '../support/random.ts'
import { createRig, EXIT_CODE, runSlice } from '../support/rig.ts'
import { soup } from '../support/soup.ts'
import { elsewhere, MODES, MSRS, startState } from '../support/start.ts'

const SLICES = 250
const INSTRUCTIONS = 1500
/** Far more than a slice needs, even single-stepped: what takes longer has hung. */
const HUNG = 10_000
const { seed, count } = fuzzSettings('random guest code', 18)

for (const name of ['pc', 'microvm'] as const) {
  test(`random code in every mode neither throws nor hangs nor leaves the guest's memory (${name})`, { timeout: 0 }, () => {
    const rig = createRig({ board: name, cpus: 2, firmware: name === 'pc', high: name === 'microvm' })
    const { ram, vcpus } = rig.platform
    const page = new Uint8Array(4096)
    for (let index = 0; index < count; index++) {
      const random = new Random(seed + index)
      const mode = MODES[index % MODES.length]!
      const about = `${name} seed ${seed} case ${index} (${mode})`
      rig.platform.reset()
      for (let at = 0; at < ram.size; at += page.length) {
        if (random.chance(8)) random.fill(page)
        else soup(random, page)
        ram.write(at as Gpa, page)
      }
      for (const vcpu of vcpus) vcpu.setRegisters(startState(random, ram, mode, vcpu.getRegisters()))
      for (let slice = 0; slice < SLICES; slice++) {
        const before = performance.now()
        const counts = vcpus.map((vcpu) => vcpu.instructionCount)
        let exits
        try {
          exits = runSlice(rig, INSTRUCTIONS)
        } catch (thrown) {
          throw new Error(`${about} slice ${slice}: threw ${String(thrown)}`, { cause: thrown })
        }
        expect(performance.now() - before, `${about} slice ${slice}: hung`).toBeLessThan(HUNG)
        vcpus.forEach((vcpu, id) => {
          // A slice may end a straight run late, not more.
          const ran = vcpu.instructionCount - counts[id]!
          expect(ran, `${about} slice ${slice}: instructions counted`).toBeGreaterThanOrEqual(0)
          expect(ran, `${about} slice ${slice}: instructions counted`).toBeLessThan(INSTRUCTIONS + 200)
        })
        rig.clock.skipTo(rig.clock.now() + random.below(100_000))
        // What has died or sleeps starts anew; what runs goes on somewhere else, since most random code soon only faults in circles.
        exits.forEach((exit, id) => {
          const vcpu = vcpus[id]!
          if (exit.reason === 'shutdown' || random.chance(20)) {
            vcpu.setRegisters(startState(random, ram, random.chance(3) ? random.pick(MODES) : mode, vcpu.getRegisters()))
          } else if (exit.reason === 'halt' || random.chance(2)) vcpu.setRegisters(elsewhere(random, vcpu.getRegisters()))
          if (random.chance(50)) vcpu.writeMsr(random.pick(MSRS), random.chance(2) ? random.u64() : BigInt(random.interesting()))
          if (random.chance(10)) random.pick([() => vcpus[id]!.nmi(), () => vcpus[id]!.init(), () => vcpus[id]!.sipi(random.below(256))])()
        })
      }
      expect(rig.damage(), about).toEqual([])
    }
    expect(rig.boot(), 'the machine still boots').toBe(EXIT_CODE)
    const instructions = vcpus.reduce((sum, vcpu) => sum + vcpu.instructionCount, 0)
    console.log(`${name}: ${instructions} instructions, ${vcpus.reduce((sum, v) => sum + v.exceptionCounts.reduce((a, b) => a + b), 0)} exceptions and interrupts`)
  })
}
