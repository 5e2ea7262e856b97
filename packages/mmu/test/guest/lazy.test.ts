import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url))

/** Runs in a process of its own: this one's heap would drown what is measured. Prints the growth of RSS in MiB after each step. */
const program = (shared: boolean): string => `
  import { GuestPhysicalMemory, createMachineMemory } from ${JSON.stringify(built)}
  const MB = 2 ** 20
  const rss = () => process.memoryUsage.rss() / MB
  const start = rss()
  const machine = createMachineMemory({ bytes: 3.75 * 1024 * MB, shared: ${shared} })
  const guest = new GuestPhysicalMemory(machine)
  const ram = guest.addRam(3 * 1024 * MB)
  const idle = rss() - start
  const chunk = new Uint8Array(MB).fill(1)
  for (let at = 0; at < 100; at++) guest.write(at * 30 * MB, chunk)
  const touched = rss() - start
  guest.startDirtyLog(ram)
  guest.collectDirty(ram)
  for (let gfn = 0; gfn < 3 * 256 * 1024; gfn++) guest.frameForRead(gfn)
  console.log(JSON.stringify({ idle, touched, mapped: rss() - start }))
`

describe('a 3 GiB guest costs what it touches', () => {
  it.runIf(existsSync(built) && process.platform === 'linux').each([false, true])('shared: %s', (shared) => {
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program(shared)], { encoding: 'utf8', timeout: 60_000 })
    const grown = JSON.parse(output) as { idle: number; touched: number; mapped: number }
    expect(grown.idle).toBeLessThan(40)
    expect(grown.touched).toBeGreaterThan(95)
    expect(grown.touched).toBeLessThan(150)
    // Giving every frame an address commits nothing but the map.
    expect(grown.mapped).toBeLessThan(190)
  }, 90_000)
})
