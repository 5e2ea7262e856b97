import { formats } from '@entresol/block'
import { PROGRAM } from './command.ts'
import type { Command } from './command.ts'

const COLUMN = 28

export function programHelp(commands: readonly Command[]): string {
  return `usage: ${PROGRAM} command [options] …

${commands.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}\n`).join('')}
'${PROGRAM} command --help' tells of a command's options. Images are files, or at http://, https:// (to read), nbd:// and nbd+unix:// addresses.
Sizes are in bytes, or a number with k, M, G, T, P or E (powers of 1024).
Formats: ${formats.map(({ name }) => name).join(' ')}
`
}

export function commandHelp({ name, operands, summary, options }: Command): string {
  const lines = options.map(({ flags, argument, help }) => {
    const usage = `  ${flags.map((flag) => argument === undefined ? flag : flag.startsWith('--') ? `${flag}=${argument}` : `${flag} ${argument}`).join(', ')}`
    return usage.length < COLUMN - 1 ? `${usage.padEnd(COLUMN)}${help}\n` : `${usage}\n${' '.repeat(COLUMN)}${help}\n`
  })
  return `usage: ${PROGRAM} ${name} [options] ${operands}\n\n${summary[0]!.toUpperCase()}${summary.slice(1)}.\n\n${lines.join('')}`
}
