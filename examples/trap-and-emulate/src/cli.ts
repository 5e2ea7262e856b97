// node examples/trap-and-emulate/src/cli.ts [--umip]
import { buildGuest } from './guest.ts'
import { Monitor } from './monitor.ts'
import { renderReport } from './report.ts'

const umip = process.argv.includes('--umip')
process.stdout.write(renderReport(new Monitor(buildGuest(), { umip }).run()))
