import { expect, it } from 'vitest'
import { FUZZED } from '../../fuzz/devices.ts'
import { HostileDriver } from '../../fuzz/hostile-driver.ts'

/** Seeds that brought something to light once, and some more. Longer: `node fuzz/run.ts --device blk --seconds 600 --seed 1`. */
const SEEDS = [1, 2, 3, 4]

for (const name of Object.keys(FUZZED)) {
  it.each(SEEDS)(`${name}: no driver breaks more than its own device (seed %i)`, async (seed) => {
    const driver = new HostileDriver(name, seed)
    for (let life = 0; life < 5; life++) await driver.live(200)
    expect(driver.lives).toBe(5)
  })
}
