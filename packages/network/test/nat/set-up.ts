import type { FrameOffloads } from '@entresol/interfaces'
import { UserNat, openPolicy } from '../../src/index.ts'
import type { UserNatOptions } from '../../src/index.ts'
import { FakeHost } from './fake-host.ts'
import { TestClock, numbers } from './test-clock.ts'
import { NONE, TinyGuest } from './tiny-guest.ts'

export interface Setup {
  readonly clock: TestClock
  readonly host: FakeHost
  readonly nat: UserNat
  readonly guest: TinyGuest
}

/** A NAT that allows everything, with a guest on its wire and a host that exists only here. */
export function setUp(options: Partial<UserNatOptions> = {}, accepts: FrameOffloads = NONE): Setup {
  const clock = new TestClock()
  const host = new FakeHost()
  const random = numbers(5)
  const nat = new UserNat({ clock, sockets: host, random: { nextU32: () => random(2 ** 32) }, policy: openPolicy, ...options })
  return { clock, host, nat, guest: new TinyGuest(nat.port, clock, accepts) }
}

export const bytes = (length: number, seed = 1): Uint8Array => {
  const random = numbers(seed)
  return Uint8Array.from({ length }, () => random(256))
}
