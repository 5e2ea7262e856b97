import type { BootDevice, Configuration, LogItem } from './configuration.ts'
import { LOG_ITEMS, MAX_MEMORY, MIN_MEMORY } from './configuration.ts'
import type { Draft } from './draft.ts'
import { keyValues, onOff, sizeInBytes } from './values.ts'
import { badOption, oneOf, suggestion } from './words.ts'

export const MACHINE_TYPES = ['pc', 'microvm'] as const
export const ACCELERATORS = ['soft'] as const

/** -accel [accel=]soft[,thread=single|multi] */
export function parseAccelerator(option: string, text: string, accelerator: Draft['accelerator']): Draft['accelerator'] {
  const next = { ...accelerator }
  for (const [key, value] of keyValues(option, text, ['accel', 'thread'], 'accel')) {
    if (key === 'accel') next.name = oneOf(option, 'accelerator', value, ACCELERATORS)
    else next.threads = oneOf(option, key, value, ['single', 'multi'] as const)
  }
  return next
}

/** -machine [type=]pc|microvm[,accel=soft][,acpi=on|off][,hpet=on|off] */
export function parseMachine(option: string, text: string, machine: Draft['machine']): Draft['machine'] {
  const next = { ...machine }
  for (const [key, value] of keyValues(option, text, ['type', 'accel', 'acpi', 'hpet'], 'type')) {
    if (key === 'type') next.type = oneOf(option, 'machine', value, MACHINE_TYPES)
    else if (key === 'accel') oneOf(option, 'accelerator', value, ACCELERATORS)
    else if (key === 'acpi') next.acpi = onOff(option, key, value)
    else next.hpet = onOff(option, key, value)
  }
  return next
}

/** -m [size=]n[BKMGT] */
export function parseMemory(option: string, text: string): number {
  const [, value = ''] = keyValues(option, text, ['size'], 'size').at(-1) ?? []
  const bytes = sizeInBytes(option, value)
  if (bytes < MIN_MEMORY) throw badOption(option, `${value} is not enough memory; at least ${MIN_MEMORY >> 20}M`)
  if (bytes > MAX_MEMORY) throw badOption(option, `${value} is too much memory; at most ${MAX_MEMORY / 2 ** 20}M until a 64-bit memory exists`)
  return Math.ceil(bytes / 4096) * 4096
}

const BOOT_LETTERS: Record<string, BootDevice> = { a: 'floppy', c: 'disk', d: 'cdrom', n: 'network' }

function bootOrder(option: string, letters: string): BootDevice[] {
  return [...letters].map((letter, i) => {
    const device = BOOT_LETTERS[letter]
    if (!device) throw badOption(option, `unknown boot device '${letter}'; valid: a (floppy), c (disk), d (CD-ROM), n (network)`)
    if (letters.indexOf(letter) !== i) throw badOption(option, `boot device '${letter}' is given twice`)
    return device
  })
}

/** -boot [order=]letters[,once=letters][,menu=on|off] */
export function parseBoot(option: string, text: string, boot: Configuration['boot']): Draft['boot'] {
  const next: Draft['boot'] = { ...boot }
  for (const [key, value] of keyValues(option, text, ['order', 'once', 'menu', 'strict'], 'order')) {
    if (key === 'order') next.order = bootOrder(option, value)
    else if (key === 'once') next.once = bootOrder(option, value)
    else if (key === 'menu') next.menu = onOff(option, key, value)
    else onOff(option, key, value)
  }
  return next
}

/** -rtc base=utc|localtime|date[,clock=host|vm] */
export function parseRtc(option: string, text: string): Configuration['rtc'] {
  const values = new Map(keyValues(option, text, ['base', 'clock', 'driftfix']))
  const clock = oneOf(option, 'clock', values.get('clock') ?? 'host', ['host', 'rt', 'vm'])
  oneOf(option, 'driftfix', values.get('driftfix') ?? 'none', ['none'])
  const base = values.get('base') ?? 'utc'
  if (base === 'utc' || base === 'localtime') return { base, clock: clock === 'vm' ? 'vm' : 'host' }
  const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?$/.test(base) ? Date.parse(base.length === 10 ? base : `${base}Z`) : NaN
  if (Number.isNaN(time)) throw badOption(option, `base '${base}' is not utc, localtime or a date like 2026-01-31T12:00:00`)
  return { base: time, clock: clock === 'vm' ? 'vm' : 'host' }
}

/** -d item[,item…] */
export function parseLog(option: string, text: string): LogItem[] {
  return text.split(',').map(item => {
    const known = LOG_ITEMS.find(candidate => candidate === item)
    if (!known) throw badOption(option, `unknown log item '${item}'${suggestion(item, LOG_ITEMS)}`)
    return known
  })
}

/** -name [guest=]text */
export function parseName(option: string, text: string): string {
  return new Map(keyValues(option, text, ['guest', 'process', 'debug-threads'], 'guest')).get('guest') ?? ''
}
