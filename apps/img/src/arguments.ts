import { parseArgs } from 'node:util'
import { CodedError, suggestion } from '@entresol/kit'
import type { Command, OptionSpec } from './command.ts'

/** A mistake on the command line. */
export function badUsage(what: string): CodedError {
  return new CodedError('bad-option', what)
}

const bare = (flag: string): string => flag.replace(/^-+/, '')

/** The options and operands of one call, as its command defines them. */
export class Arguments {
  readonly operands: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>, operands: readonly string[]) {
    this.#values = values
    this.operands = operands
  }

  /** Whether an option was given, by its first flag: `-p`. */
  has(flag: string): boolean {
    return this.#values.has(flag)
  }

  /** Value of an option; of several the last. */
  value(flag: string): string | undefined {
    return this.#values.get(flag)?.at(-1)
  }

  values(flag: string): readonly string[] {
    return this.#values.get(flag) ?? []
  }

  /** Value of an option that must be one of `words`. */
  choice<Word extends string>(flag: string, words: readonly Word[]): Word | undefined {
    const value = this.value(flag)
    if (value === undefined) return undefined
    const found = words.find((word) => word === value)
    if (found === undefined) throw badUsage(`${flag}: unknown value '${value}'${suggestion(value, words)}`)
    return found
  }

  /** Exactly these operands, named in the message when they are not there. */
  exactly(...names: readonly string[]): readonly string[] {
    if (this.operands.length < names.length) throw badUsage(`expecting ${names.slice(this.operands.length).join(' and ')}`)
    if (this.operands.length > names.length) throw badUsage(`'${this.operands[names.length]}' is one argument too many`)
    return this.operands
  }
}

/** Reads what stands behind the command's name. Options and operands mix, short options join (`-pq`, `-fraw`), `--` ends the options. */
export function parseArguments(command: Command, words: readonly string[]): Arguments {
  const byFlag = new Map(command.options.flatMap((option) => option.flags.map((flag) => [flag, option] as const)))
  const operands: string[] = []
  const rest = words.filter((word) => {
    const signed = command.signedOperands === true && /^-\d/.test(word)
    if (signed) operands.push(word)
    return !signed
  })
  const options = Object.fromEntries([...byFlag].map(([flag, option]) => [bare(flag), {
    type: option.argument === undefined ? 'boolean' as const : 'string' as const, ...flag.length === 2 && { short: flag[1]! },
  }]))
  const values = new Map<string, string[]>()
  for (const token of parseArgs({ args: rest, options, strict: false, allowPositionals: true, tokens: true }).tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const option = byFlag.get(token.rawName)
    if (option === undefined) throw badUsage(`unrecognized option '${token.rawName}'${suggestion(token.rawName, [...byFlag.keys()])}`)
    if (option.argument !== undefined && token.value === undefined) throw badUsage(`option '${token.rawName}' requires an argument`)
    if (option.argument === undefined && token.value !== undefined) throw badUsage(`option '${token.rawName}' takes no argument`)
    const name = option.flags[0]!
    values.set(name, [...values.get(name) ?? [], token.value ?? ''])
  }
  // A signed operand is the last one: the size behind a file's name.
  if (command.signedOperands === true) operands.sort((a, b) => Number(/^-\d/.test(a)) - Number(/^-\d/.test(b)))
  return new Arguments(values, operands)
}

/** Whether help was asked for. */
export function wantsHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--')
  return words.slice(0, end < 0 ? undefined : end).some((word) => word === '--help' || word === '-h')
}

/** Options several commands share. */
export const FORMAT: OptionSpec = { flags: ['-f'], argument: 'fmt', help: 'format of the image; found by its content when not given' }
export const QUIET: OptionSpec = { flags: ['-q'], help: 'print nothing but errors' }
export const PROGRESS: OptionSpec = { flags: ['-p'], help: 'show progress, on a terminal or not' }
export const SHARED: OptionSpec = { flags: ['-U', '--force-share'], help: 'open images that others are writing to' }
export const OUTPUT: OptionSpec = { flags: ['--output'], argument: 'human|json', help: 'form of the output' }
export const CACHE: OptionSpec = { flags: ['-t'], argument: 'cache', help: 'cache mode of what is written: writeback, none, writethrough, directsync or unsafe' }
export const SOURCE_CACHE: OptionSpec = { flags: ['-T'], argument: 'cache', help: 'cache mode of what is read' }
export const FORMAT_OPTIONS: OptionSpec = { flags: ['-o'], argument: 'options', help: 'options of the format, name=value,…; help lists them' }
