// node examples/flat-user-mode/src/cli.ts [rounds]
import { compare, renderComparisons } from './compare.ts'
import { PROGRAMS } from './programs.ts'

const rounds = Number(process.argv[2] ?? 61)
process.stdout.write(renderComparisons(PROGRAMS.map((program) => compare(program, rounds))))
