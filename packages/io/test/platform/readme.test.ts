import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('the README\'s example runs and prints what the README says', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const code = /```ts(?: runnable)?\n(.*?)```/s.exec(readme)![1].replaceAll("'@entresol/io'", "'../../src/index.ts'")
  const file = fileURLToPath(new URL(`./readme-${process.pid}.tmp.ts`, import.meta.url))
  writeFileSync(file, code)
  try {
    const output = execFileSync(process.execPath, ['--experimental-strip-types', '--no-warnings', file], { encoding: 'utf8' })
    expect(output).toBe('interrupt pending\ninterrupt pending\nvector 8 after 10 ms\n')
  } finally {
    rmSync(file)
  }
})
