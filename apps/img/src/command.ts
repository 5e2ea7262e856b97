import type { Codecs, ImageFiles } from '@entresol/block'
import type { Arguments } from './arguments.ts'

export const PROGRAM = 'entresol-img'

/** An option as qemu-img has it: `-f` or `--output`, with the name of its argument where it takes one. */
export interface OptionSpec {
  readonly flags: readonly string[]
  readonly argument?: string
  readonly help: string
}

/** What a command gets from the process it runs in. */
export interface Host {
  out(text: string): void
  err(text: string): void
  /** Somebody watches standard error. */
  readonly terminal: boolean
  readonly files: ImageFiles
  readonly codecs: Codecs
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** Bytes a file takes on the host's disk, if it is one. */
  allocated(path: string): Promise<number | undefined>
  remove(path: string): Promise<void>
  /** Milliseconds since 1970. */
  now(): number
  random(into: Uint8Array): void
}

export interface Command {
  readonly name: string
  /** What stands behind the options, as in help. */
  readonly operands: string
  readonly summary: string
  readonly options: readonly OptionSpec[]
  /** Operands may begin with a dash and a digit. */
  readonly signedOperands?: boolean
  /** The exit code of the process. */
  run(given: Arguments, host: Host): Promise<number>
}
