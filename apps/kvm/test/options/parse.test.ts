import { CodedError } from '@entresol/kit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommandLine, type Vocabulary } from '../../src/options/index.ts'
import { OPTIONS } from '../../src/options/table.ts'
import { keyValues, sizeInBytes, splitCommas } from '../../src/options/values.ts'
import { nearest } from '../../src/options/words.ts'

const parse = (line: string) => parseCommandLine(line === '' ? [] : line.split(' '))

function mistake(line: string): string {
  try {
    parse(line)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'bad-option' && !error.message.includes('\n')) return error.message
    throw error
  }
  return 'none'
}

describe('command line', () => {
  test('the usual line for a Linux kernel', () => {
    const it = parseCommandLine(['-kernel', 'vmlinuz', '-initrd', 'rd', '-append', 'console=ttyS0 quiet', '-m', '512', '-smp', '2', '-nographic', '-no-reboot'])
    expect(it).toMatchObject({
      kernel: 'vmlinuz', initrd: 'rd', append: 'console=ttyS0 quiet', memory: 512 << 20, noReboot: true, noShutdown: false,
      smp: { cpus: 2, sockets: 1, cores: 2, threads: 1 }, serial: [{ kind: 'stdio', monitor: true }], monitor: undefined
    })
  })

  test('one dash and two mean the same for every option', () => {
    for (const { names, argument } of OPTIONS) {
      const values = argument === undefined ? [] : ['none', 'soft', 'pc', 'max', '1', 'd', 'isa-debug-exit', 'base=utc', 'exec', 'null', 'f', 'file=f', 'user,id=n',
        'null,id=c', 'rng-builtin,id=r', 'raw,node-name=b,file.driver=file,file.filename=f', 'local,id=s,path=/,security_model=none',
        'local,path=/,mount_tag=t,security_model=none']
      const value = values.find(candidate => {
        try {
          parseCommandLine(['-kernel', 'k', `-${names[0]}`, candidate])
          return true
        } catch {
          return false
        }
      })
      const rest = argument === undefined ? [] : [value ?? 'no value fits']
      const one = parseCommandLine(['-kernel', 'k', `-${names[0]}`, ...rest])
      const two = JSON.stringify(parseCommandLine(['-kernel', 'k', `--${names[0]}`, ...rest])).replaceAll(`"--${names[0]} `, `"-${names[0]} `)
      expect(two).toBe(JSON.stringify(one))
    }
  })

  test('an unknown option names the nearest', () => {
    expect(mistake('-kernl x')).toBe('-kernl: unknown option; did you mean -kernel?')
    expect(mistake('--no-rebot')).toBe('--no-rebot: unknown option; did you mean -no-reboot?')
    expect(mistake('-xyzzyplugh')).toBe('-xyzzyplugh: unknown option')
    expect(mistake('-kernel')).toMatch(/^-kernel: needs an argument/)
  })

  test.each([
    ['-machine pv', "-machine: unknown machine 'pv'; did you mean pc?"],
    ['-machine q35', "-machine: unknown machine 'q35'; valid: pc, microvm"],
    ['-accel kvm', "-accel: unknown accelerator 'kvm'; valid: soft"],
    ['-accel soft,thread=many', "-accel: unknown thread 'many'; valid: single, multi"],
    ['-cpu x86-64-v4', "-cpu: unknown CPU model 'x86-64-v4'; did you mean x86-64-v2 or x86-64-v3?"],
    ['-m 0', '-m: 0 is not enough memory; at least 1M'],
    ['-m 4G', '-m: 4G is too much memory; at most 3584M until a 64-bit memory exists'],
    ['-m lots', "-m: 'lots' is no size; write 512M or 2G"],
    ['-smp 0', '-smp: cpus 0 is not between 1 and 64'],
    ['-smp 4,sockets=3', '-smp: 3 sockets × 1 cores × 1 threads are not 4 CPUs'],
    ['-drive fil=x', "-drive: unknown parameter 'fil'; did you mean file?"],
    ['-drive file=x,format=qcow', "-drive: unknown format 'qcow'; did you mean qcow2?"],
    ['-drive file=x,if=scsi', "-drive: interface 'scsi' is not supported; valid: ide, virtio, none"],
    ['-drive media=cdrom,if=virtio', '-drive: a CD-ROM cannot be if=virtio; leave if= out'],
    ['-machine microvm -hda x', '-hda x: machine microvm has no IDE; use -drive if=virtio'],
    ['-drive file=x,id=a,if=none -drive file=y,id=a,if=none', "-drive file=y,id=a,if=none: the name 'a' is already taken by -drive file=x,id=a,if=none"],
    ['-drive file=x,throttling.bps-total=1,throttling.bps-read=1', '-drive: throttling.bps-total does not go with bps-read and bps-write'],
    ['-drive file=x,throttling.iops-total-max=1', '-drive: throttling.iops-total-max needs a smaller throttling.iops-total'],
    ['-device virtio-blk-pci', '-device: needs drive='],
    ['-device virtio-blk-pci,drive=d0', "-device virtio-blk-pci,drive=d0: there is no -drive 'd0'"],
    ['-drive file=x,if=none,id=disk -device virtio-blk-pci,drive=dsk', "-device virtio-blk-pci,drive=dsk: there is no -drive 'dsk'; did you mean disk?"],
    ['-drive file=x,id=d -device virtio-blk-pci,drive=d', "-device virtio-blk-pci,drive=d: drive 'd' is in use already; its -drive needs if=none"],
    ['-drive file=x,if=none,id=d -device ide-hd,drive=d -device virtio-blk-pci,drive=d',
      "-device virtio-blk-pci,drive=d: drive 'd' is in use already by -device ide-hd,drive=d"],
    ['-device virtio-blk-pci,drve=d', "-device: unknown parameter 'drve'; did you mean drive?"],
    ['-device virtio-scsi-pci', "-device: device 'virtio-scsi-pci' is not supported; -device help lists what there is"],
    ['-device virtio-net-device', '-device: virtio-net-device: machine pc has no virtio-mmio slots; did you mean virtio-net-pci?'],
    ['-machine microvm -device virtio-net-pci', '-device: virtio-net-pci: machine microvm has no PCI; did you mean virtio-net-device?'],
    ['-machine microvm -nic user,model=e1000', '-nic: model e1000 needs PCI, which machine microvm has not; use virtio'],
    ['-device virtio-rng-pci,addr=20', "-device: addr '20' is no PCI address; write 5 or 5.0, in hexadecimal, at most 1f.7"],
    ['-device virtio-rng-pci,disable-modern=on', '-device: virtio-rng-pci: there are only modern virtio devices'],
    ['-device virtserialport,name=p', '-device virtserialport,name=p: needs -device virtio-serial-pci before it'],
    ['-device virtio-serial-pci -device virtserialport,chardev=c', "-device: there is no -chardev 'c'"],
    ['-device virtio-9p-pci,fsdev=f,mount_tag=t', "-device virtio-9p-pci,fsdev=f,mount_tag=t: there is no -fsdev 'f'"],
    ['-virtfs local,path=/x,mount_tag=t', '-virtfs: needs security_model=none (files belong to whoever runs this)'],
    ['-netdev usr,id=n', "-netdev: unknown back-end 'usr'; did you mean user?"],
    ['-netdev user', '-netdev: needs id='],
    ['-netdev vde,id=n', "-netdev: 'vde' is not supported; valid: user, socket, tap, hubport, vxlan"],
    ['-netdev socket,id=n', '-netdev: needs exactly one of listen=, connect= and udp='],
    ['-netdev user,id=n -netdev user,id=n', "-netdev: the name 'n' is given twice"],
    ['-netdev user,id=n -device virtio-net-pci,netdev=n -device e1000,netdev=n',
      "-device e1000,netdev=n: netdev 'n' is in use already by -device virtio-net-pci,netdev=n"],
    ['-netdev user,id=n,hostfwd=tcp::22', '-netdev: hostfwd=tcp::22: expected [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport'],
    ['-nic user,model=ne2k_pci', "-nic: model 'ne2k_pci' is not supported; valid: virtio, e1000, rtl8139"],
    ['-nic user,mac=1:2:3:4:5:6', "-nic: mac '1:2:3:4:5:6' is the address of a group, not of one card"],
    ['-net nic', '-net: the card has no network; add -net user'],
    ['-object rng-rand,id=r', "-object: unknown object 'rng-rand'; did you mean rng-random?"],
    ['-object filter-dump,id=f,netdev=n,file=p', "-object filter-dump,id=f,netdev=n,file=p: there is no -netdev 'n'; valid: net0"],
    ['-chardev pty,id=c', "-chardev: 'pty' is not supported; valid: stdio, null, file, pipe, socket"],
    ['-serial chardev:x', "-serial: there is no -chardev 'x'"],
    ['-serial tcp:localhost', "-serial: 'tcp:localhost' names no address; write tcp:HOST:PORT"],
    ['-blockdev raw,node-name=d,file=n', "-blockdev: there is no node 'n' before it"],
    ['-hda a -drive file=b,index=0', '-drive file=b,index=0: IDE drive 0 is already taken by -hda a'],
    ['-hdc a -cdrom b', '-cdrom b: IDE drive 2 is already taken by -hdc a'],
    ['-serial pty', "-serial: 'pty' is not supported; valid: stdio, mon:stdio, null, none, file:PATH, pipe:PATH, tcp:HOST:PORT, unix:PATH, chardev:ID"],
    ['-serial stdio -monitor stdio', 'stdio: only one of -serial, -monitor, -debugcon and -chardev can have it'],
    ['-device isa-debug-exi', "-device: unknown device 'isa-debug-exi'; did you mean isa-debug-exit?"],
    ['-device isa-debug-exit,iobase=zz', "-device: iobase 'zz' is no number"],
    ['-d exce', "-d: unknown log item 'exce'; did you mean exec?"],
    ['-boot x', "-boot: unknown boot device 'x'; valid: a (floppy), c (disk), d (CD-ROM), n (network)"],
    ['-rtc base=yesterday', "-rtc: base 'yesterday' is not utc, localtime or a date like 2026-01-31T12:00:00"],
    ['-initrd x', '-initrd: is only for a kernel given with -kernel']
  ])('%s is one clear line', (line, message) => {
    expect(mistake(line)).toBe(message)
  })

  test('CPU features are added and removed, the last word counts', () => {
    expect(parse('-cpu x86-64-v2,+avx2,-sse4.2,aes=off,fma=on,+aes').cpu)
      .toEqual({ model: 'x86-64-v2', add: ['avx2', 'fma', 'aes'], remove: ['sse4.2'] })
    const vocabulary: Vocabulary = { cpuModels: ['max'], cpuFeatures: ['avx', 'avx2'], version: '1' }
    expect(() => parseCommandLine(['-cpu', 'max,+avx3'], vocabulary)).toThrow("-cpu: unknown feature 'avx3'; did you mean avx or avx2?")
  })

  test('the CPU topology multiplies to the number of CPUs', () => {
    expect(parse('-smp 8,cores=2,threads=2').smp).toEqual({ cpus: 8, sockets: 2, cores: 2, threads: 2 })
    expect(parse('-smp cores=4,threads=2').smp).toEqual({ cpus: 8, sockets: 1, cores: 4, threads: 2 })
  })

  test('drives get the first free place of IDE; the CD-ROM is drive 2; a bare word is drive 0', () => {
    const { drives } = parse('-drive file=b -cdrom c disk.img -drive file=d,format=raw,snapshot=on')
    expect(drives.map(({ file, index, media }) => [file, index, media])).toEqual([
      ['b', 1, 'disk'], ['c', 2, 'cdrom'], ['disk.img', 0, 'disk'], ['d', 3, 'disk']])
    expect([drives[1]?.readOnly, drives[3]?.snapshot]).toEqual([true, true])
  })

  test('commas in values are written twice', () => {
    expect(parse('-drive file=a,,b,index=3').drives[0]).toMatchObject({ file: 'a,b', index: 3 })
    expect(splitCommas('a,,b,c,,,d')).toEqual(['a,b', 'c,', 'd'])
    expect(keyValues('-x', 'v,snapshot,nomenu', ['snapshot', 'menu'], 'k')).toEqual([['k', 'v'], ['snapshot', 'on'], ['menu', 'off']])
  })

  test('sizes', () => {
    expect(['512', '512M', '1.5G', '2048k', '1048576b'].map(text => sizeInBytes('-m', text)))
      .toEqual([512 << 20, 512 << 20, 1536 * 2 ** 20, 2 << 20, 1 << 20])
    expect(parse('-m size=64M').memory).toBe(64 << 20)
  })

  test('the terminal goes to the first serial port unless it is given away', () => {
    const stdio = { kind: 'stdio', monitor: true }
    expect(parse('').serial).toEqual([stdio])
    expect(parse('-nodefaults').serial).toEqual([])
    expect(parse('-nodefaults -nographic').serial).toEqual([stdio])
    expect(parse('-monitor stdio').serial).toEqual([])
    expect(parse('-monitor none').serial).toEqual([{ kind: 'stdio', monitor: false }])
    expect(parse('-serial none -serial file:log -nographic').serial).toEqual([undefined, { kind: 'file', path: 'log', append: false }])
  })

  test('what the guest spends its time on', () => {
    expect(parse('-symbols System.map -profile p -perfmap -d translate,invalidate')).toMatchObject({
      symbols: 'System.map', profile: 'p', perfMap: true, log: { items: ['translate', 'invalidate'] },
    })
    expect(parse('')).toMatchObject({ symbols: undefined, profile: undefined, perfMap: false })
  })

  test('isa-debug-exit, logging, RTC and boot order', () => {
    expect(parse('-nic none -device isa-debug-exit,iobase=0xf4,iosize=0x04 -d exec,int -d mmu,int -D l -rtc base=2026-01-02T03:04:05,clock=vm -boot order=dc,menu=on'))
      .toMatchObject({
        devices: [{ driver: 'isa-debug-exit', iobase: 0xf4, iosize: 4 }], log: { items: ['exec', 'int', 'mmu'], file: 'l' },
        rtc: { base: Date.UTC(2026, 0, 2, 3, 4, 5), clock: 'vm' }, boot: { order: ['cdrom', 'disk'], menu: true }
      })
  })

  test('-help names every option once in its group, and mistakes behind it do not matter', () => {
    const text = parse('-help -kernl').print ?? ''
    for (const { names } of OPTIONS) expect(text.match(new RegExp(`^(-\\S+ or )?-${names[0]}( |$)`, 'gm')) ?? []).toHaveLength(1)
    expect(parse('-cpu help').print).toContain('x86-64-v3')
    expect(parseCommandLine(['-version'], { cpuModels: ['max'], version: '1.2.3' }).print).toBe('entresol-kvm 1.2.3\n')
  })

  test('whatever is typed gives a configuration or one line', () => {
    const word = fc.oneof(fc.constantFrom(...OPTIONS.flatMap(option => option.names.map(name => `-${name}`))), fc.string(),
      fc.constantFrom('=', ',', 'file=', '1,2', 'cpus=', 'size=', '+', 'max,', 'help', '0x', 'base=', 'mon:', '-', '--'))
    fc.assert(fc.property(fc.array(word, { maxLength: 6 }), words => {
      try {
        parseCommandLine(words)
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
      }
    }), { numRuns: 3000 })
  })

  test('the nearest word is found through a swap, a loss, an addition and a change', () => {
    for (const typed of ['kenrel', 'kerel', 'kernnel', 'kornel']) expect(nearest(typed, ['kernel', 'initrd', 'append'])).toEqual(['kernel'])
  })
})
