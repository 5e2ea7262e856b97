import { CodedError, suggestion } from '@entresol/kit'
import { badUsage, parseArguments, wantsHelp } from './arguments.ts'
import { PROGRAM } from './command.ts'
import type { Host } from './command.ts'
import { commands } from './commands/index.ts'
import { commandHelp, programHelp } from './help.ts'

/** Runs one command line and returns the exit code. A person's mistake is one line; only a bug of ours is thrown. */
export async function main(words: readonly string[], host: Host, version: string): Promise<number> {
  try {
    const [name, ...rest] = words
    if (name === undefined) throw badUsage('not enough arguments')
    if (name === '-h' || name === '--help' || name === 'help') {
      host.out(programHelp(commands))
      return 0
    }
    if (name === '-V' || name === '--version') {
      host.out(`${PROGRAM} ${version}\n`)
      return 0
    }
    const command = commands.find((each) => each.name === name)
    if (command === undefined) throw badUsage(`command not found: ${name}${suggestion(name, commands.map((each) => each.name))}`)
    if (wantsHelp(rest)) {
      host.out(commandHelp(command))
      return 0
    }
    return await command.run(parseArguments(command, rest), host)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    host.err(`${PROGRAM}: ${error.message}\n`)
    return 1
  }
}
