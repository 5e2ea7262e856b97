import { parseCharacter } from './character.ts'
import { type CharacterOptions, type Configuration, DEFAULT_VOCABULARY, type Vocabulary } from './configuration.ts'
import { connect } from './connect.ts'
import { type Draft, type LaterOption, newDraft } from './draft.ts'
import { shortDrive } from './drive.ts'
import { helpText } from './help.ts'
import { type Option, OPTIONS } from './table.ts'
import { badOption, suggestion } from './words.ts'

export const PROGRAM = 'entresol-kvm'

const BY_NAME: ReadonlyMap<string, Option> = new Map(OPTIONS.flatMap(option => option.names.map(name => [name, option] as const)))

/**
 * Reads QEMU's command line. `argv` is without the program's own name. Throws CodedError `bad-option`, whose message is one line that
 * starts with the offending option; the caller puts "entresol-kvm: " before it.
 */
export function parseCommandLine(argv: readonly string[], vocabulary: Vocabulary = DEFAULT_VOCABULARY): Configuration {
  const draft = newDraft(vocabulary)
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (!word.startsWith('-') || word === '-') {
      draft.drives.push(shortDrive(word, word, 'disk', 0))
      continue
    }
    const option = BY_NAME.get(word.replace(/^--?/, ''))
    if (!option) throw badOption(word, `unknown option${suggestion(word.replace(/^-+/, ''), [...BY_NAME.keys()], name => `-${name}`)}`)
    if (option.names[0] === 'help') draft.print = helpText(PROGRAM)
    if (option.names[0] === 'version') draft.print = `${PROGRAM} ${vocabulary.version}\n`
    if (option.argument !== undefined && i + 1 >= argv.length) throw badOption(word, `needs an argument: ${option.argument}`)
    option.apply(draft, option.argument === undefined ? '' : argv[++i]!, word)
    // -help wins over mistakes that follow it, as people add it to a command that does not work.
    if (draft.print !== undefined) break
  }
  return finish(draft)
}

function finish(draft: Draft): Configuration {
  const { machine, accelerator, cpu, memory, smp, kernel, initrd, bios, boot, rtc, name } = draft
  if (draft.print === undefined) {
    if (kernel === undefined && initrd !== undefined) throw badOption('-initrd', 'is only for a kernel given with -kernel')
    if (kernel === undefined && draft.append !== undefined) throw badOption('-append', 'is only for a kernel given with -kernel')
  }
  const characters = terminal(draft)
  // A command line that asks for a list may be wrong otherwise.
  const connected = draft.print === undefined ? connect(draft) : { drives: [], netdevs: [], shares: [], objects: [], devices: [] }
  return {
    machine, accelerator, cpu, memory, smp, kernel, initrd, append: draft.append ?? '', bios, boot,
    ...connected, ...characters, display: 'none',
    vga: draft.vga ?? (draft.noDefaults || machine.type === 'microvm' ? 'none' : 'std'), rtc, name,
    noReboot: draft.noReboot, noShutdown: draft.noShutdown, noDefaults: draft.noDefaults, startPaused: draft.startPaused,
    log: { items: [...new Set(draft.logItems)], file: draft.logFile },
    symbols: draft.symbols, profile: draft.profile, perfMap: draft.perfMap, print: draft.print
  }
}

/**
 * Who gets the terminal. Without a window to show a screen in, the first serial port is the only way to see the guest, so it has the
 * terminal (with the monitor) unless the command line gives either away or says -nodefaults without -nographic.
 */
function terminal(draft: Draft): Pick<Configuration, 'serial' | 'monitor' | 'debugConsole' | 'chardevs'> {
  const chardevs = new Map(draft.chardevs.map(({ id, character }) => [id, character]))
  const read = (later: LaterOption): CharacterOptions | undefined => parseCharacter(later.option, later.value, chardevs)
  const monitor = draft.monitor && read(draft.monitor)
  const debugConsole = draft.debugConsole && read(draft.debugConsole)
  const given = draft.serial.map(read)
  const others = [monitor, debugConsole, ...chardevs.values()]
  const automatic = given.length === 0 && !others.some(user => user?.kind === 'stdio') && (draft.noGraphic || !draft.noDefaults)
  const serial = automatic ? [{ kind: 'stdio', monitor: draft.monitor === undefined } as const] : given
  // One that -chardev named and another option uses is one user.
  const users = new Set([...serial, ...others].filter(user => user?.kind === 'stdio'))
  if (users.size > 1) throw badOption('stdio', 'only one of -serial, -monitor, -debugcon and -chardev can have it')
  return { serial, monitor, debugConsole, chardevs }
}
