import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cache, root } from '@entresol/bootstrap/paths'
import { documents, examples, quotations, staleQuotations } from '../src/examples.ts'
import { run } from '../src/process.ts'

const folder = join(cache, 'examples')
const all = documents(root).flatMap(document => examples(readFileSync(join(root, document), 'utf8')).map(example => ({
  ...example, name: `${document}:${example.line}`, file: join(folder, `${document.replaceAll(/[^\w]/g, '-')}-${example.line}.ts`)
})))

describe('examples in the documentation', () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    for (const { file, code } of all) writeFileSync(file, code)
    const compilerOptions = {
      composite: false, isolatedDeclarations: false, declaration: false, declarationMap: false, sourceMap: false, noEmit: true, types: ['node'],
      moduleDetection: 'force', noUnusedLocals: false
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*.ts'] }))
  })

  test('exist', () => {
    expect(all.length).toBeGreaterThan(8)
  })

  test('are correctly typed', async () => {
    const { code, output } = await run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder, '--pretty', 'false'], root)
    expect(output).toBe('')
    expect(code).toBe(0)
  }, 60_000)

  test.each(all.filter(({ kind }) => kind === 'runnable'))('$name runs and prints what the text says', async ({ file, output }) => {
    const outcome = await run(process.execPath, [file], root)
    expect(outcome).toEqual({ code: 0, output: output ?? outcome.output })
  }, 60_000)

  test('that quote a file quote it word for word', () => {
    expect(documents(root).flatMap(document => staleQuotations(root, document))).toEqual([])
  })
})

describe('a fence', () => {
  const text = ['```ts runnable', 'a()', '```', '', '```text output', 'A', '```', '```ts', 'b()', '```', '```ts from x/y.ts', 'c()', '```', '```ts checked', 'd()', '```', 'so', '```text output', 'D', '```'].join('\n')

  test('is an example only when it says so, and output must follow at once', () => {
    expect(examples(text)).toEqual([
      { kind: 'runnable', code: 'a()\n', output: 'A\n', line: 1 }, { kind: 'checked', code: 'd()\n', output: undefined, line: 14 }
    ])
  })

  test('may be a quotation', () => {
    expect(quotations(text)).toEqual([{ path: 'x/y.ts', code: 'c()\n', line: 11 }])
  })
})
