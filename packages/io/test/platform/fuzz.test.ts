import type { AccessSize } from '@entresol/interfaces'
import { expect, test } from 'vitest'
import { seeded } from '../support/device-fakes.ts'
import { buildPlatform, type Platform } from '../support/platform.ts'
import { WallClock } from '../support/platform-fakes.ts'

const SIZES: readonly AccessSize[] = [1, 2, 4]
/** Values that mean something to somebody: commands, enables, masks, bases. */
const VALUES = [0, 1, 2, 3, 4, 6, 0x11, 0x20, 0x34, 0x36, 0x43, 0xb0, 0xc2, 0xff, 0x1ff, 0x8000, 0xffff, 0x10000, 0x20040, 0x40040, 0xc0041, 0xfee00000, 0xfebf0000,
  0xc001, 0x80000800, 0x80001000, 0x80001010, 0x80001040, 0xffffffff]

/** One seeded walk of guest accesses; returns a digest of everything read. */
function drive(platform: Platform, clock: WallClock, seed: number, steps: number, check = true): number {
  const next = seeded(seed)
  let digest = 0
  const targets = platform.devices
  for (let step = 0; step < steps; step++) {
    const { base, device, port } = targets[next() % targets.length]
    const size = SIZES[next() % 3]
    const span = device.length > 0x400 && next() % 4 !== 0 ? 0x400 : device.length
    const address = base + (next() % span & (next() % 2 === 0 ? -size : -1))
    const bus = port ? platform.ports : platform.cpu
    const kind = next() % 16
    const picked = next() % 3 === 0 ? next() : VALUES[next() % VALUES.length]
    const value = (size === 4 ? picked : picked & (size === 2 ? 0xffff : 0xff)) >>> 0
    if (kind < 7) bus.write(address, size, value)
    else if (kind < 13) {
      const read = bus.read(address, size)
      if (check && !(Number.isInteger(read) && read >= 0 && read < 2 ** (8 * size))) expect.fail(`${device.name}+${address - base} read ${read} in ${size} bytes, seed ${seed}`)
      digest = (Math.imul(digest, 31) + read) | 0
    } else if (kind === 13) clock.advance(next() % 200_000)
    else if (kind === 14) {
      for (const apic of platform.apics) {
        const vector = apic.pending() ? apic.acknowledge() : 0
        if (check && !(vector >= -1 && vector <= 255)) expect.fail(`vector ${vector}, seed ${seed}`)
        if (next() % 2 === 0) apic.write(0xb0, 4, 0)
      }
    } else {
      const apic = platform.apics[next() % 2]
      const msr = [0x1b, 0x6e0, 0x800 + (next() & 0x3f)][next() % 3]
      if (next() % 2 === 0) apic.writeMsr(msr, value, next() % 4 === 0 ? next() : 0)
      else if (apic.readMsr(msr)) digest = (Math.imul(digest, 31) + apic.msrLow + apic.msrHigh) | 0
    }
  }
  return digest
}

const save = (platform: Platform): unknown[] => platform.parts.map((part) => part.save())

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  test(`no access of any width throws or reads outside its width (seed ${seed})`, () => {
    const clock = new WallClock()
    drive(buildPlatform(clock), clock, seed, 30_000)
  })

  test(`a platform restored from a snapshot goes on exactly like the one saved (seed ${seed})`, () => {
    const clock = new WallClock()
    const one = buildPlatform(clock)
    drive(one, clock, seed, 5_000)
    const state = structuredClone(save(one))
    const otherClock = new WallClock()
    otherClock.time = clock.time
    const two = buildPlatform(otherClock)
    for (const [index, part] of two.parts.entries()) part.restore(state[index])
    for (const [index, part] of two.parts.entries()) expect(part.save(), part.name).toEqual(state[index])
    expect(drive(two, otherClock, seed + 100, 5_000)).toBe(drive(one, clock, seed + 100, 5_000))
  })

  test(`damaged snapshots are refused or taken, never thrown over, and leave a working platform (seed ${seed})`, () => {
    const clock = new WallClock()
    const platform = buildPlatform(clock)
    drive(platform, clock, seed, 2_000)
    const next = seeded(seed)
    const values = [undefined, null, -1, 0, 1.5, NaN, 255, 2 ** 32, 'x', [], {}, -1n, 1n << 70n, 2 ** 60]
    for (let round = 0; round < 300; round++) {
      const part = platform.parts[next() % platform.parts.length]
      const state = structuredClone(part.save()) as Record<string, unknown>
      const keys = Object.keys(state)
      const key = keys[next() % keys.length]
      const inner = state[key]
      if (Array.isArray(inner) && inner.length > 0 && next() % 2 === 0) inner[next() % inner.length] = values[next() % values.length]
      else state[key] = values[next() % values.length]
      const before = part.save()
      try {
        part.restore(state)
      } catch (error) {
        expect((error as { code?: string }).code, `${part.name}.${key}: ${String(error)}`).toBe('bad-snapshot')
        expect(part.save()).toEqual(before)
      }
    }
    drive(platform, clock, seed + 1, 2_000)
  })
}

test('equal accesses from power-on leave equal state', () => {
  const run = (): unknown[] => {
    const clock = new WallClock()
    const platform = buildPlatform(clock)
    drive(platform, clock, 42, 5_000)
    return save(platform)
  }
  expect(run()).toEqual(run())
})

test('reset forgets whatever the guest did, but for the battery-backed clock', () => {
  const run = (seed: number): { name: string; state: unknown }[] => {
    const clock = new WallClock()
    const platform = buildPlatform(clock)
    drive(platform, clock, seed, 5_000)
    clock.advance(1e12 - clock.time)
    platform.reset()
    return platform.parts.filter((part) => part.name !== 'rtc').map((part) => ({ name: part.name, state: part.save() }))
  }
  const reference = run(1)
  for (const seed of [2, 3, 4]) expect(run(seed)).toEqual(reference)
})
