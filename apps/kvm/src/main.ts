#!/usr/bin/env node
import { CodedError } from '@entresol/kit'
import { hintBranches, keepHeapSmall, startWithPerfMap } from './engine.ts'
import { parseCommandLine, PROGRAM } from './options/index.ts'
import { run } from './run.ts'

/** A person's mistake is one line; only a bug of ours shows a stack. */
async function main(): Promise<number> {
  try {
    const configuration = parseCommandLine(process.argv.slice(2))
    if (configuration.print !== undefined) {
      process.stdout.write(configuration.print.endsWith('\n') ? configuration.print : `${configuration.print}\n`)
      return 0
    }
    if (configuration.perfMap) startWithPerfMap()
    return await run(configuration)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    process.stderr.write(`${error.message.startsWith(PROGRAM) ? '' : `${PROGRAM}: `}${error.message}\n`)
    return 1
  }
}

keepHeapSmall()
hintBranches()
process.exitCode = await main()
// Timers and sockets of a machine that has ended must not keep the process.
process.stdout.write('', () => process.exit())
