// Code in Markdown that must stay true. Three kinds of fence, by the word behind the language:
//   ```ts runnable          is type-checked and run; a ```text output block directly behind it is what it prints
//   ```ts checked           is type-checked only: it needs files or hardware that a test does not have
//   ```ts from <path>       is quoted from that file of the repository, word for word
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { workspaces } from '@entresol/eslint-config/arrows'

export interface Example {
  readonly kind: 'runnable' | 'checked'
  readonly code: string
  /** What it prints, when the text says so. */
  readonly output: string | undefined
  /** Line of its fence, from 1. */
  readonly line: number
}

export interface Quotation {
  readonly path: string
  readonly code: string
  readonly line: number
}

interface Fence {
  readonly info: string
  readonly body: string
  readonly line: number
  /** Line behind the closing fence, from 1. */
  readonly end: number
}

function fences(markdown: string): Fence[] {
  const lines = markdown.split('\n')
  const found: Fence[] = []
  for (let at = 0; at < lines.length; at++) {
    const info = /^```(\S.*)?$/.exec(lines[at]!)
    if (!info) continue
    const close = lines.findIndex((line, index) => index > at && line === '```')
    if (close < 0) break
    found.push({ info: info[1] ?? '', body: lines.slice(at + 1, close).map(line => line + '\n').join(''), line: at + 1, end: close + 2 })
    at = close
  }
  return found
}

/** The examples of a Markdown text that are to be type-checked or run. */
export function examples(markdown: string): Example[] {
  const lines = markdown.split('\n')
  const all = fences(markdown)
  return all.flatMap(({ info, body, line, end }, index) => {
    const kind = /^ts (runnable|checked)$/.exec(info)?.[1] as Example['kind'] | undefined
    if (kind === undefined) return []
    const next = all[index + 1]
    const follows = next?.info === 'text output' && lines.slice(end - 1, next.line - 1).every(between => between === '')
    return [{ kind, code: body, output: follows ? next.body : undefined, line }]
  })
}

/** The quotations of a Markdown text. */
export function quotations(markdown: string): Quotation[] {
  return fences(markdown).flatMap(({ info, body, line }) => {
    const path = /^ts from (\S+)$/.exec(info)?.[1]
    return path === undefined ? [] : [{ path, code: body, line }]
  })
}

/** Every Markdown file that belongs to the repository's documentation, relative to `root`. */
export function documents(root: string): string[] {
  const folders = [root, join(root, 'docs'), ...workspaces(root).map(({ folder }) => folder)]
  return folders.filter(folder => existsSync(folder))
    .flatMap(folder => readdirSync(folder).filter(name => name.endsWith('.md')).map(name => relative(root, join(folder, name))))
}

/** Quotations of a document that are no longer in the file they name, as lines. */
export function staleQuotations(root: string, document: string): string[] {
  return quotations(readFileSync(join(root, document), 'utf8')).flatMap(({ path, code, line }) => {
    if (!existsSync(join(root, path))) return [`${document}:${line}: ${path} does not exist`]
    return readFileSync(join(root, path), 'utf8').includes(code) ? [] : [`${document}:${line}: ${path} says something else now`]
  })
}
