import { parseBlockdev } from './blockdev.ts'
import { CHARDEVS, parseChardev } from './character.ts'
import { LOG_ITEMS } from './configuration.ts'
import { driverNamed } from './device.ts'
import type { Draft } from './draft.ts'
import { parseDrive, shortDrive } from './drive.ts'
import { driverList, propertyList } from './drivers.ts'
import { NETDEVS, NIC_MODELS, parseNet, parseNetdev, parseNic } from './network.ts'
import { OBJECTS, parseFsdev, parseObject, parseVirtfs } from './objects.ts'
import { parseCpu, parseSmp } from './processor.ts'
import { ACCELERATORS, MACHINE_TYPES, parseAccelerator, parseBoot, parseLog, parseMachine, parseMemory, parseName, parseRtc } from './system.ts'
import { badOption, oneOf } from './words.ts'

export const GROUPS = [
  'Standard options', 'Block device options', 'Display options', 'Network options', 'Character device options', 'Linux/Multiboot boot specific',
  'Debug/Expert options'
] as const

export interface Option {
  /** Without the dash. Further names mean the same. */
  readonly names: readonly [string, ...string[]]
  /** How the argument is written in the help; undefined: takes none. */
  readonly argument?: string
  readonly group: typeof GROUPS[number]
  readonly help: string
  /** `option` is what was typed, for messages. */
  readonly apply: (draft: Draft, value: string, option: string) => void
}

const list = (title: string, words: readonly string[]): string => `${title}:\n${words.map(word => `  ${word}\n`).join('')}`

/** Leaves a list to print when the value is `help`. */
function orHelp(title: string, words: (draft: Draft) => readonly string[], apply: Option['apply']): Option['apply'] {
  return (draft, value, option) => {
    if (value === 'help' || value === '?') draft.print ??= list(title, words(draft))
    else apply(draft, value, option)
  }
}

function path(set: (draft: Draft, value: string) => void): Option['apply'] {
  return (draft, value, option) => {
    if (value === '') throw badOption(option, 'needs a file')
    set(draft, value)
  }
}

const disk = (name: string, index: number): Option => ({
  names: [name], argument: 'file', group: 'Block device options', help: `image of IDE disk ${index}`,
  apply: (draft, value, option) => { draft.drives.push(shortDrive(option, value, 'disk', index)) }
})

/** Every option. Help, parser and suggestions come from this table; -help and -version are filled in by the parser. */
export const OPTIONS: readonly Option[] = [
  { names: ['help', 'h'], group: 'Standard options', help: 'show this help and exit', apply: () => undefined },
  { names: ['version'], group: 'Standard options', help: 'show the version and exit', apply: () => undefined },
  {
    names: ['machine', 'M'], argument: '[type=]name[,accel=soft][,acpi=on|off][,hpet=on|off]', group: 'Standard options',
    help: 'kind of machine: pc (default) or microvm; -machine help lists them',
    apply: orHelp('Machines', () => MACHINE_TYPES, (draft, value, option) => { draft.machine = parseMachine(option, value, draft.machine) })
  },
  {
    names: ['accel'], argument: '[accel=]soft[,thread=single|multi]', group: 'Standard options',
    help: 'how guest code is executed; there is the software CPU, by default with a thread for each CPU where the host can',
    apply: orHelp('Accelerators', () => ACCELERATORS, (draft, value, option) => { draft.accelerator = parseAccelerator(option, value, draft.accelerator) })
  },
  {
    names: ['cpu'], argument: 'model[,+feature][,-feature][,feature=on|off]', group: 'Standard options',
    help: 'CPU model and changes to its features; -cpu help lists the models',
    apply: orHelp('CPU models', draft => draft.vocabulary.cpuModels, (draft, value, option) => { draft.cpu = parseCpu(option, value, draft.vocabulary) })
  },
  {
    names: ['smp'], argument: '[cpus=]n[,sockets=n][,cores=n][,threads=n]', group: 'Standard options', help: 'number of CPUs (default 1)',
    apply: (draft, value, option) => { draft.smp = parseSmp(option, value) }
  },
  {
    names: ['m'], argument: '[size=]n[K|M|G]', group: 'Standard options', help: 'guest memory, in MiB without a suffix (default 128M)',
    apply: (draft, value, option) => { draft.memory = parseMemory(option, value) }
  },
  {
    names: ['boot'], argument: '[order=]letters[,once=letters][,menu=on|off]', group: 'Standard options',
    help: 'boot order for the BIOS: a floppy, c disk, d CD-ROM, n network',
    apply: (draft, value, option) => { draft.boot = parseBoot(option, value, draft.boot) }
  },
  {
    names: ['device'], argument: 'driver[,property=value...]', group: 'Standard options', help: 'add a device; -device help lists them, -device NAME,help its properties',
    apply: (draft, value, option) => {
      const [name = '', second] = value.split(',')
      if (name === 'help' || name === '?') draft.print ??= driverList()
      else if (second === 'help' || second === '?') draft.print ??= propertyList(name, driverNamed(option, name))
      else draft.rawDevices.push({ option, value })
    }
  },
  {
    names: ['object'], argument: 'type,id=name[,property=value...]', group: 'Standard options', help: 'rng-random or rng-builtin for virtio-rng, filter-dump for a netdev',
    apply: orHelp('Objects', () => Object.keys(OBJECTS), (draft, value, option) => { draft.objects.push(parseObject(option, value)) })
  },
  {
    names: ['rtc'], argument: '[base=utc|localtime|date][,clock=host|vm]', group: 'Standard options', help: 'what the real-time clock shows at start',
    apply: (draft, value, option) => { draft.rtc = parseRtc(option, value) }
  },
  {
    names: ['name'], argument: 'text', group: 'Standard options', help: 'name of the guest',
    apply: (draft, value, option) => { draft.name = parseName(option, value) }
  },
  ...['hda', 'hdb', 'hdc', 'hdd'].map(disk),
  {
    names: ['cdrom'], argument: 'file', group: 'Block device options', help: 'image in the CD-ROM drive (IDE drive 2)',
    apply: (draft, value, option) => { draft.drives.push(shortDrive(option, value, 'cdrom', 2)) }
  },
  {
    names: ['drive'],
    argument: '[file=f][,if=ide|virtio|none][,index=n][,media=disk|cdrom][,format=raw|qcow2|...][,snapshot=on|off][,readonly=on|off][,id=name]'
      + '[,serial=s][,cache=mode][,discard=unmap][,detect-zeroes=on|unmap][,throttling.bps-total=n...]',
    group: 'Block device options', help: 'add a drive; the file may be nbd://HOST/EXPORT or http(s)://', apply: (draft, value, option) => { draft.drives.push(parseDrive(option, value)) }
  },
  {
    names: ['blockdev'], argument: '[driver=]format,node-name=name[,file.driver=file,file.filename=f...]', group: 'Block device options',
    help: 'add an image for a -device to show, also as JSON', apply: (draft, value, option) => { draft.drives.push(parseBlockdev(option, value, draft.drives)) }
  },
  { names: ['snapshot'], group: 'Block device options', help: 'snapshot=on for all drives', apply: draft => { draft.snapshot = true } },
  {
    names: ['fsdev'], argument: 'local,id=name,path=folder,security_model=none|passthrough[,readonly=on|off]', group: 'Block device options',
    help: 'a folder of the host for -device virtio-9p-pci,fsdev=', apply: (draft, value, option) => { draft.shares.push(parseFsdev(option, value)) }
  },
  {
    names: ['virtfs'], argument: 'local,path=folder,mount_tag=tag,security_model=none|passthrough[,readonly=on|off]', group: 'Block device options',
    help: 'a folder of the host with its device: mount -t 9p -o trans=virtio TAG /mnt',
    apply: (draft, value, option) => {
      const { share, mountTag } = parseVirtfs(option, value)
      draft.shares.push(share)
      draft.mounts.push({ share: share.id, mountTag, option: `${option} ${value}` })
    }
  },
  {
    names: ['nographic'], group: 'Display options', help: 'no display; the first serial port and the monitor share the terminal (Ctrl-A H: keys)',
    apply: draft => { draft.noGraphic = true }
  },
  {
    names: ['display'], argument: 'none', group: 'Display options', help: 'where the screen is shown; there is none yet',
    apply: (_draft, value, option) => { oneOf(option, 'display', value, ['none']) }
  },
  {
    names: ['vga'], argument: 'std|none', group: 'Display options', help: 'graphics card: VGA with Bochs extensions (default), or none',
    apply: (draft, value, option) => { draft.vga = oneOf(option, 'card', value, ['std', 'none'] as const) }
  },
  {
    names: ['nic'], argument: 'none|user|socket|tap[,model=virtio|e1000|rtl8139][,mac=addr][,option of the back-end...]', group: 'Network options',
    help: 'add a card and what it is plugged into (default on pc: -nic user)',
    apply: orHelp('Cards', () => Object.keys(NIC_MODELS), (draft, value, option) => {
      if (value === 'none') draft.noNetwork = true
      else {
        const { nic, netdev } = parseNic(option, value, `net${draft.nics.length}`)
        draft.nics.push(nic)
        draft.netdevs.push(netdev)
      }
    })
  },
  {
    names: ['netdev'], argument: 'user|socket|tap|hubport|vxlan,id=name[,option...]', group: 'Network options',
    help: 'a network for -device virtio-net-pci,netdev=: user[,hostfwd=tcp::2222-:22][,restrict=on][,net=addr/bits]...',
    apply: (draft, value, option) => {
      if (value === 'help' || value === '?') {
        draft.print ??= `Network back-ends:\n${Object.entries(NETDEVS).map(([name, keys]) => `  ${name},id=name,${keys.map(key => `${key}=`).join(',')}\n`).join('')}`
      } else draft.netdevs.push(parseNetdev(option, value))
    }
  },
  {
    names: ['net'], argument: 'none|nic|user|socket|tap[,option...]', group: 'Network options', help: 'older form: one card and one back-end meet',
    apply: (draft, value, option) => {
      if (value === 'none') draft.noNetwork = true
      else {
        const parsed = parseNet(option, value)
        if ('nic' in parsed) draft.netNics.push(parsed.nic)
        else draft.netBackends.push(parsed.netdev)
      }
    }
  },
  {
    names: ['chardev'], argument: 'stdio|null|file|pipe|socket,id=name[,option...]', group: 'Character device options',
    help: 'a character device for -serial chardev:name and -device virtserialport,chardev=name',
    apply: orHelp('Character devices', () => Object.entries(CHARDEVS).map(([name, keys]) => [`${name},id=name`, ...keys.map(key => `${key}=`)].join(',')), (draft, value, option) => {
      draft.chardevs.push(parseChardev(option, value))
    })
  },
  {
    names: ['serial'], argument: 'stdio|mon:stdio|null|none|file:path|pipe:path|tcp:host:port|unix:path|chardev:id', group: 'Character device options',
    help: 'connect the next serial port; mon: shares it with the monitor; sockets take ,server=on,wait=off',
    apply: (draft, value, option) => { draft.serial.push({ option, value }) }
  },
  {
    names: ['monitor'], argument: 'stdio|null|none|file:path', group: 'Character device options', help: 'connect the monitor',
    apply: (draft, value, option) => { draft.monitor = { option, value } }
  },
  {
    names: ['debugcon'], argument: 'stdio|null|file:path', group: 'Character device options', help: 'connect the debug console at port 0xe9',
    apply: (draft, value, option) => { draft.debugConsole = { option, value } }
  },
  {
    names: ['kernel'], argument: 'file', group: 'Linux/Multiboot boot specific', help: 'bzImage, PVH, ELF or multiboot kernel',
    apply: path((draft, value) => { draft.kernel = value })
  },
  {
    names: ['initrd'], argument: 'file', group: 'Linux/Multiboot boot specific', help: 'initial RAM disk', apply: path((draft, value) => { draft.initrd = value })
  },
  {
    names: ['append'], argument: 'text', group: 'Linux/Multiboot boot specific', help: 'kernel command line',
    apply: (draft, value) => { draft.append = value }
  },
  {
    names: ['bios'], argument: 'file', group: 'Linux/Multiboot boot specific', help: 'firmware image, 64 KiB to 16 MiB',
    apply: path((draft, value) => { draft.bios = value })
  },
  { names: ['S'], group: 'Debug/Expert options', help: 'do not start the CPUs (monitor: c)', apply: draft => { draft.startPaused = true } },
  {
    names: ['d'], argument: LOG_ITEMS.join(','), group: 'Debug/Expert options', help: 'log these; -d help lists them',
    apply: orHelp('Log items', () => LOG_ITEMS, (draft, value, option) => { draft.logItems.push(...parseLog(option, value)) })
  },
  { names: ['D'], argument: 'file', group: 'Debug/Expert options', help: 'log to this file instead of standard error', apply: path((draft, value) => { draft.logFile = value }) },
  {
    names: ['symbols'], argument: 'file', group: 'Debug/Expert options', help: 'System.map, kallsyms or vmlinux of the guest: names for -profile, -perfmap, -d',
    apply: path((draft, value) => { draft.symbols = value })
  },
  {
    names: ['profile'], argument: 'file', group: 'Debug/Expert options', help: 'write at the end where the guest spent its time, by function of its kernel',
    apply: path((draft, value) => { draft.profile = value })
  },
  { names: ['perfmap'], group: 'Debug/Expert options', help: 'write /tmp/perf-PID.map for perf: translated guest code by address and symbol', apply: draft => { draft.perfMap = true } },
  { names: ['no-reboot'], group: 'Debug/Expert options', help: 'exit instead of rebooting', apply: draft => { draft.noReboot = true } },
  { names: ['no-shutdown'], group: 'Debug/Expert options', help: 'stop instead of exiting at power-off', apply: draft => { draft.noShutdown = true } },
  { names: ['nodefaults'], group: 'Debug/Expert options', help: 'no devices that were not asked for', apply: draft => { draft.noDefaults = true } }
]
