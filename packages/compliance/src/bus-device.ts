import type { AccessSize, BusDevice, IoFault, Resettable, Snapshotable } from '@entresol/interfaces'
import type { Law, Suite } from './suite.ts'
import { codeOf, hex, same, seededRandom, thrownBy } from './support.ts'

export type DeviceUnderTest = BusDevice & Partial<Resettable> & Partial<Snapshotable<unknown>>

export interface BusDeviceSubject {
  /** A device just powered on, wired to inert peers. Each call makes an independent one. */
  create(): DeviceUnderTest
  /** Bytes that mean something to this device: commands, magic values. The suite mixes them into its random writes. */
  vocabulary?: readonly number[]
  /** Accesses in a random run. Default 2000. */
  accesses?: number
  seed?: number
}

interface Access {
  offset: number
  size: AccessSize
  /** Value to write, undefined for a read. */
  value: number | undefined
}

const FAULTS: readonly (IoFault | undefined)[] = ['no-register', 'bad-size', 'unaligned']
const SIZES = [1, 2, 4] as const
const limitOf = (size: AccessSize): number => 2 ** (8 * size)

function script(subject: BusDeviceSubject, length: number, salt: number): Access[] {
  const random = seededRandom((subject.seed ?? 1) * 2654435761 + salt)
  const words = subject.vocabulary ?? []
  const accesses: Access[] = []
  // A wrong length is the first law's business.
  if (!(length >= 1)) return accesses
  while (accesses.length < (subject.accesses ?? 2000)) {
    const size = SIZES[random(3)]!
    if (size > length) continue
    const offset = random(length - size + 1)
    const raw = random(3) === 0 ? [0, 1, 0x80, 0xff, 0xffffffff][random(5)]! : random(2 ** 32)
    const value = words.length > 0 && random(2) === 0 ? words[random(words.length)]! : raw
    accesses.push({ offset, size, value: random(3) === 0 ? undefined : value % limitOf(size) })
  }
  return accesses
}

/** Reads everything once: the plainest way to see a register that differs. */
function sweep(length: number): Access[] {
  const accesses: Access[] = []
  for (const size of SIZES) {
    for (let offset = 0; offset + size <= Math.min(length, 4096); offset += size) accesses.push({ offset, size, value: undefined })
  }
  return accesses
}

const perform = (device: BusDevice, access: Access): unknown =>
  access.value === undefined ? device.read(access.offset, access.size) : device.write(access.offset, access.size, access.value)

const describeAccess = (access: Access): string =>
  access.value === undefined
    ? `read(${hex(access.offset)}, ${access.size})`
    : `write(${hex(access.offset)}, ${access.size}, ${hex(access.value)})`

function answerFault(access: Access, answer: unknown): string | undefined {
  if (FAULTS.includes(answer as IoFault)) return undefined
  if (access.value !== undefined) return answer === undefined ? undefined : `${describeAccess(access)} returned ${String(answer)}`
  const fits = typeof answer === 'number' && Number.isInteger(answer) && answer >= 0 && answer < limitOf(access.size) && !Object.is(answer, -0)
  return fits ? undefined : `${describeAccess(access)} gave ${String(answer)}`
}

/** Feeds both devices the same accesses and reports the first difference in answers or final state. */
function compareRuns(a: DeviceUnderTest, b: DeviceUnderTest, accesses: Access[], violated: (detail: string) => void): void {
  for (const access of accesses) {
    const first = perform(a, access)
    const second = perform(b, access)
    if (!Object.is(first, second)) return violated(`${describeAccess(access)} answered ${String(first)} and ${String(second)}`)
  }
  if (a.save && b.save && !same(a.save(), b.save())) violated('the saved states differ after equal accesses')
}

const laws: Law<BusDeviceSubject>[] = [
  {
    name: 'the name is kebab-case and the length a positive integer',
    check(subject, violated) {
      const device = subject.create()
      if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(device.name)) violated(`name '${device.name}'`)
      if (!Number.isSafeInteger(device.length) || device.length <= 0) violated(`length ${device.length}`)
    },
  },
  {
    name: 'every read from power-on gives an unsigned number of the access size, or a fault value',
    check(subject, violated) {
      const device = subject.create()
      for (const size of SIZES) {
        for (let offset = 0; offset + size <= Math.min(device.length, 4096); offset++) {
          const access = { offset, size, value: undefined }
          const problem = answerFault(access, perform(device, access))
          if (problem !== undefined) violated(problem)
        }
      }
    },
  },
  {
    name: 'no access throws, and every answer stays in its type, whatever a guest did before',
    check(subject, violated) {
      for (let salt = 0; salt < 4; salt++) {
        const device = subject.create()
        for (const access of script(subject, device.length, salt)) {
          const error = thrownBy(() => {
            const problem = answerFault(access, perform(device, access))
            if (problem !== undefined) violated(problem)
          })
          if (error !== undefined) return violated(`${describeAccess(access)} threw ${String(error)}`)
        }
      }
    },
  },
  {
    name: 'equal accesses from power-on leave equal state',
    check(subject, violated) {
      for (let salt = 10; salt < 13; salt++) {
        const device = subject.create()
        compareRuns(device, subject.create(), [...script(subject, device.length, salt), ...sweep(device.length)], violated)
      }
    },
  },
  {
    name: 'after reset it is as powered on',
    check(subject, violated) {
      const used = subject.create()
      if (!used.reset) return
      for (const access of script(subject, used.length, 20)) perform(used, access)
      used.reset()
      const fresh = subject.create()
      if (used.save && fresh.save && !same(used.save(), fresh.save())) violated('the saved state differs from a new device’s')
      compareRuns(used, fresh, [...sweep(used.length), ...script(subject, used.length, 21)], violated)
    },
  },
  {
    name: 'a restored device goes on as the saved one would have',
    check(subject, violated) {
      for (let salt = 30; salt < 36; salt++) {
        const sweepFirst = salt % 2 === 0
        const original = subject.create()
        if (!original.save) return
        for (const access of script(subject, original.length, salt)) perform(original, access)
        const copy = subject.create()
        copy.restore!(structuredClone(original.save()))
        if (!same(copy.save!(), original.save())) violated('saving after restore gives another state')
        const before = sweepFirst ? sweep(original.length) : []
        compareRuns(original, copy, [...before, ...script(subject, original.length, salt + 10_000)], violated)
      }
    },
  },
  {
    name: 'a saved state is a copy: structured-cloneable, and later accesses do not change it',
    check(subject, violated) {
      const device = subject.create()
      if (!device.save) return
      const accesses = script(subject, device.length, 40)
      for (const access of accesses) perform(device, access)
      const saved = device.save()
      const before = structuredClone(saved)
      if (!same(saved, before)) violated('the state does not survive structuredClone')
      for (const access of script(subject, device.length, 41)) perform(device, access)
      if (!same(saved, before)) violated('accesses changed a state saved before')
      const restored = subject.create()
      restored.restore!(saved)
      for (const access of script(subject, device.length, 42)) perform(restored, access)
      if (!same(saved, before)) violated('accesses after restore changed the state that was restored')
    },
  },
  {
    name: 'restore refuses what it cannot use with bad-snapshot and keeps the old state',
    check(subject, violated) {
      const device = subject.create()
      if (!device.save) return
      for (const access of script(subject, device.length, 50)) perform(device, access)
      const before = structuredClone(device.save())
      for (const hostile of hostileStates(before)) {
        const error = thrownBy(() => device.restore!(hostile.state))
        if (error === undefined && hostile.mustRefuse) violated(`accepted ${hostile.what}`)
        if (error === undefined) {
          device.restore!(structuredClone(before))
        } else if (codeOf(error) !== 'bad-snapshot') {
          violated(`${hostile.what}: threw ${String(error)} instead of bad-snapshot`)
        }
        if (!same(device.save(), before)) return violated(`${hostile.what}: the refused restore changed the state`)
      }
    },
  },
  {
    name: 'a state that restore accepts, however wrong, never makes an access throw',
    check(subject, violated) {
      const original = subject.create()
      if (!original.save) return
      for (const access of script(subject, original.length, 60)) perform(original, access)
      for (const hostile of hostileStates(original.save())) {
        const device = subject.create()
        if (thrownBy(() => device.restore!(hostile.state)) !== undefined) continue
        for (const access of script({ ...subject, accesses: 300 }, device.length, 61)) {
          const error = thrownBy(() => perform(device, access))
          if (error !== undefined) return violated(`with ${hostile.what}, ${describeAccess(access)} threw ${String(error)}`)
        }
      }
    },
  },
]

interface HostileState {
  what: string
  state: unknown
  mustRefuse: boolean
}

/** Wrong states: not an object at all, and the right one with one top-level member missing or of another type. */
function hostileStates(state: unknown): HostileState[] {
  const hostile: HostileState[] = [undefined, null, 7, 'state', []].map((value) => ({
    what: JSON.stringify(value) ?? 'undefined', state: value, mustRefuse: value === undefined || value === null,
  }))
  if (typeof state !== 'object' || state === null) return hostile
  for (const key of Object.keys(state)) {
    const without: Record<string, unknown> = { ...structuredClone(state) }
    delete without[key]
    hostile.push({ what: `a state without '${key}'`, state: without, mustRefuse: false })
    for (const value of [null, 'text', -1, 1e300, Number.NaN, {}, []]) {
      hostile.push({ what: `a state with ${key} = ${String(value)}`, state: { ...structuredClone(state), [key]: value }, mustRefuse: false })
    }
  }
  return hostile
}

/** Laws of BusDevice, and of Resettable and Snapshotable where the device has them. */
export const busDeviceSuite: Suite<BusDeviceSubject> = { name: 'BusDevice', laws }
