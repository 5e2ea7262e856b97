import { expect, test } from 'vitest'
import { Machine } from '../../src/machine.ts'
import { GuestProfile } from '../../src/profile/guest-profile.ts'
import { KernelSymbols } from '../../src/profile/kernel-symbols.ts'
import { tinyKernel } from '../support/rig.ts'

/** mov eax, 100020h; mov ecx, SYSENTER_EIP; xor edx, edx; wrmsr; mov ecx, 1e6; spin: dec ecx; jnz spin; then the guest exits. */
function kernel(): Uint8Array {
  const image = new Uint8Array(96)
  image.set(tinyKernel())
  const view = new DataView(image.buffer)
  view.setUint32(20, 0x100060, true)
  view.setUint32(24, 0x100060, true)
  image.set([
    0xb8, 0x20, 0, 0x10, 0, 0xb9, 0x76, 0x01, 0, 0, 0x31, 0xd2, 0x0f, 0x30, 0xb9, 0x40, 0x42, 0x0f, 0, 0x49, 0x75, 0xfd,
    0x66, 0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd,
  ], 32)
  return image
}

/** The kernel was linked for 8 MiB and runs at 1. */
const SYMBOLS = '00800000 T _text\n00800020 T entry_SYSENTER_32\n00800033 t spin\n00800036 t done\n'

async function profile(symbols?: string): Promise<string[]> {
  const guest = new GuestProfile(symbols === undefined ? undefined : new KernelSymbols(new TextEncoder().encode(symbols)))
  const machine = new Machine({ kernel: kernel(), isaDebugExit: {}, noReboot: true, memory: 4 << 20, cpus: 2, profile: guest })
  await machine.boot()
  await machine.stopped
  return guest.report().split('\n')
}

test('most of the time goes to the function that spins, wherever the kernel is', async () => {
  const [title, , first] = await profile(SYMBOLS)
  expect(title).toMatch(/^guest profile: \d+\.\d\d s of running; the kernel lies 700000h below its symbols$/)
  expect(first).toMatch(/^ *\d+\.\d +\d+\.\d +\d+ {2}spin$/)
})

test('without symbols, or with those of another kernel, it tells pages', async () => {
  expect((await profile()).slice(0, 3)).toEqual([expect.stringMatching(/no symbols/), expect.anything(), expect.stringMatching(/\(100000\)$/)])
  expect((await profile('00800024 T entry_SYSENTER_32\n')).slice(0, 3)).toEqual([expect.stringMatching(/no system-call entry/), expect.anything(), expect.stringMatching(/\(100000\)$/)])
})
