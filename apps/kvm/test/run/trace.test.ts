import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
let folder = ''
let kernel = ''

/** A multiboot kernel that writes 2Ah to isa-debug-exit. */
function image(): Uint8Array {
  const bytes = new Uint8Array(64)
  const view = new DataView(bytes.buffer)
  const words = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), 0x100000, 0x100000, 0x100040, 0x100040, 0x100020]
  words.forEach((word, i) => view.setUint32(i * 4, word >>> 0, true))
  bytes.set([0x66, 0xba, 0x01, 0x05, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd], 32)
  return bytes
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entresol-trace-'))
  kernel = join(folder, 'kernel')
  await writeFile(kernel, image())
})
afterAll(() => rm(folder, { recursive: true }))

interface Ended { code: number | null; stdout: string; stderr: string }

/** Runs the program; `typed` is sent line by line, each when the text before it has been printed. */
function run(args: readonly string[], typed: readonly (readonly [after: string, line: string])[] = []): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args])
    // What -perfmap leaves.
    child.on('close', () => void rm(`/tmp/perf-${child.pid}.map`, { force: true }))
    const ended = { stdout: '', stderr: '' }
    const left = [...typed]
    child.stdout.on('data', (data: Buffer) => {
      ended.stdout += data.toString()
      while (left.length > 0 && ended.stdout.includes(left[0]![0])) child.stdin.write(left.shift()![1])
    })
    child.stderr.on('data', (data: Buffer) => void (ended.stderr += data.toString()))
    child.on('close', (code) => resolve({ code, ...ended }))
  })
}

const machine = (): string[] => ['-kernel', kernel, '-device', 'isa-debug-exit', '-display', 'none']

test('-d exec -D file logs every instruction to the file', { timeout: 60_000 }, async () => {
  const log = join(folder, 'log')
  const { code, stderr } = await run([...machine(), '-serial', 'null', '-d', 'exec,mmu', '-D', log])
  expect({ code, stderr }).toEqual({ code: 0x55, stderr: '' })
  const lines = (await readFile(log, 'utf8')).trim().split('\n')
  expect(lines.filter((line) => line.startsWith('exec')).map((line) => line.slice(-6))).toEqual(['100020', '100024', '100026'])
  expect(lines.some((line) => line.startsWith('mmu: cpu=0 paging CR0='))).toBe(true)
})

test('-d without -D logs to standard error', { timeout: 60_000 }, async () => {
  const { code, stderr } = await run([...machine(), '-serial', 'null', '-d', 'exec'])
  expect(code).toBe(0x55)
  expect(stderr).toMatch(/^exec: cpu=0 0010:0{10}100020\n/)
})

test('-D to a place that cannot be written is one line', { timeout: 60_000 }, async () => {
  const { code, stderr } = await run([...machine(), '-serial', 'null', '-d', 'int', '-D', join(folder, 'no', 'log')])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^entresol-kvm: -D: .*no such file\n$/)
})

test('-S runs nothing until the monitor says cont', { timeout: 60_000 }, async () => {
  const { code, stdout } = await run([...machine(), '-S', '-monitor', 'stdio'], [
    ["type 'help'", 'info status\n'], ['VM status: paused', 'info registers\n'], ['RIP=0000000000100020', 'cont\n'],
  ])
  expect(stdout).toContain('RIP=0000000000100020')
  expect(code).toBe(0x55)
})

test('-profile writes a table at the end, -symbols refuses a file without any, -perfmap names translated code', { timeout: 60_000 }, async () => {
  const [symbols, profile] = [join(folder, 'System.map'), join(folder, 'profile')]
  await writeFile(symbols, '00100000 T _text\n00100020 T entry_SYSENTER_32\n')
  const { code, stderr } = await run([...machine(), '-serial', 'null', '-symbols', symbols, '-profile', profile])
  expect({ code, stderr }).toEqual({ code: 0x55, stderr: '' })
  expect(await readFile(profile, 'utf8')).toMatch(/^guest profile: .*\n +% +ms +samples +function\n/)
  await writeFile(symbols, 'ffffffffffffffff B The real System.map is elsewhere\n')
  expect(await run([...machine(), '-symbols', symbols])).toEqual({
    code: 1, stdout: '', stderr: `entresol-kvm: -symbols: ${symbols}: no functions in it: a stub of System.map, kallsyms not read by root, or a stripped vmlinux\n`,
  })
  expect(await run([...machine(), '-serial', 'null', '-perfmap'])).toMatchObject({ code: 0x55, stderr: '' })
})
