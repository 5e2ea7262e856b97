import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { BOOT_TIMEOUT, fetched } from './support/guest.ts'

const START = fileURLToPath(new URL('../../../../tooling/bootstrap/start.mjs', import.meta.url))
const files = await fetched('cloud')

describe.skipIf(files === undefined)('npm start with piped input', { timeout: BOOT_TIMEOUT }, () => {
  test("feeds it to the guest's shell, prints the answers and ends with the guest", async () => {
    const child = spawn(process.execPath, [START], { stdio: 'pipe' })
    let output = ''
    child.stdout.on('data', (data: Buffer) => void (output += data.toString()))
    child.stderr.resume()
    child.stdin.end('uname -a; nproc\n')
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0)
    expect(output).toMatch(/\nLinux \S+ 6\.\S+ .*x86_64 GNU\/Linux\r?\n1\r?\n/)
    expect(output).toMatch(/reboot: Power down/)
  })
})
