import { GROUPS, type Option, OPTIONS } from './table.ts'

const COLUMN = 18

function entry(option: Option): string {
  const usage = `${option.names.map(name => `-${name}`).join(' or ')}${option.argument === undefined ? '' : ` ${option.argument}`}`
  return usage.length < COLUMN - 1 ? `${usage.padEnd(COLUMN)}${option.help}\n` : `${usage}\n${' '.repeat(COLUMN)}${option.help}\n`
}

export function helpText(program: string): string {
  const groups = GROUPS.map(group => `${group}:\n${OPTIONS.filter(option => option.group === group).map(entry).join('')}`)
  return `usage: ${program} [options] [disk_image]

'disk_image' is a hard disk image for IDE hard disk 0. Options take one dash or two.

${groups.join('\n')}
During emulation with -nographic or -serial mon:stdio these keys are useful:
Ctrl-A H          show help
Ctrl-A X          exit
Ctrl-A C          switch between console and monitor
Ctrl-A Ctrl-A     send Ctrl-A
`
}
