#!/usr/bin/env node
import { CodedError } from '@entresol/kit'
import { guest, GUEST_NAMES } from './guest.ts'

const USAGE = `usage: entresol-guests [--with-32bit] [--with-modules=NAME,...] NAME...
Fetches or builds guests and prints where their files are, one "name key path" line each.
names: ${GUEST_NAMES.join(' ')}
cache: $ENTRESOL_CACHE, or .cache/guests in the repository
`

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter(arg => !arg.startsWith('-'))
  const flags = args.filter(arg => arg.startsWith('-'))
  const MODULES = '--with-modules='
  const unknown = flags.find(flag => flag !== '--with-32bit' && !flag.startsWith(MODULES))
  if (names.length === 0 || unknown !== undefined) {
    const help = flags.includes('--help') || flags.includes('-h')
    ;(help ? process.stdout : process.stderr).write(USAGE)
    return help ? 0 : 1
  }
  for (const name of names) {
    const modules = flags.find(flag => flag.startsWith(MODULES))?.slice(MODULES.length).split(',')
    const { files, name: _name, ...rest } = await guest(name, { with32Bit: flags.includes('--with-32bit'), ...(modules ? { modules } : {}) })
    for (const [key, value] of Object.entries({ ...rest, ...files })) process.stdout.write(`${name} ${key} ${value}\n`)
  }
  return 0
}

main(process.argv.slice(2)).then(code => {
  process.exitCode = code
}, (error: unknown) => {
  if (!(error instanceof CodedError)) throw error
  process.stderr.write(`entresol-guests: ${error.message}\n`)
  process.exitCode = 1
})
