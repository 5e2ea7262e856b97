import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { MemoryFiles } from '@entresol/block'
import { commands } from '../src/commands/index.ts'
import { copy } from '../src/copy.ts'
import { humanSize, parseSize } from '../src/values.ts'
import { zeroStretches } from '../src/zero-scan.ts'
import { img, must, temporary } from './support.ts'

const folder = temporary()
const path = folder.path
afterAll(() => folder.remove())

describe('the command line', () => {
  it('a mistake is one line that names the nearest word, and exit code 1', async () => {
    const mistakes: [string[], RegExp][] = [
      [[], /not enough arguments/], [['crate'], /command not found: crate; did you mean create\?/], [['create', '--quit'], /unrecognized option '--quit'/],
      [['info', '--ouput=json', 'x'], /unrecognized option '--ouput'; did you mean --output\?/], [['info', '--output=xml', 'x'], /unknown value 'xml'; valid: human, json/],
      [['info'], /expecting image file name/], [['info', 'a', 'b'], /'b' is one argument too many/], [['create', '-f', 'qcow', 'x', '1M'], /unknown file format 'qcow'; did you mean qcow2\?/],
      [['create', 'x', '1Q'], /'1Q' is not a size/], [['create', 'x'], /needs a size/], [['create', '-f'], /option '-f' requires an argument/], [['info', '-U=yes', 'x'], /unrecognized option|takes no argument/],
      [['info', path('nothing')], /nothing: no such file/], [['info', path('.')], /is a directory/], [['convert', 'x'], /expecting an image file name and an output file name/],
      [['convert', '-m', '99', 'x', 'y'], /no such file|-m/], [['convert', '--target-is-zero', 'x', 'y'], /goes with -n/], [['snapshot', '-a', 'x', '-c', 'y', 'z'], /cannot mix -a and -c/],
      [['dd', 'fi=x'], /unrecognized operand 'fi=x'; did you mean (if|bs)=/], [['dd', 'if=x'], /expecting if=input and of=output/], [['measure', '--size', '1M', 'x'], /either/],
      [['measure', '-O', 'vdi', '--size', '1M'], /cannot be measured/], [['check', '-r', 'most', 'x'], /-r: unknown value 'most'/], [['bench', '-c', '0', 'x'], /-c/],
      [['rebase', 'x'], /expecting -b/], [['convert', '-t', 'fast', path('nothing'), 'y'], /no such file|-t/], [['info', 'nbd://'], /nbd:/], [['info', 'http://127.0.0.1:1/x'], /127/],
    ]
    for (const [words, message] of mistakes) {
      const { code, out, err } = await img(words)
      expect([code, out], words.join(' ')).toEqual([1, ''])
      expect(err).toMatch(message)
      expect(err).toMatch(/^entresol-img: [^\n]+\n$/)
    }
    expect(existsSync('x')).toBe(false)
  })

  it('every command has help that names its options', async () => {
    expect(await must('--help')).toMatch(/convert/)
    for (const command of commands) {
      for (const words of [[command.name, '--help'], [command.name, 'x', '-h']]) {
        const help = await must(...words)
        expect(help).toContain(`usage: entresol-img ${command.name} [options] ${command.operands}`)
        for (const { flags } of command.options) for (const flag of flags) expect(help).toContain(flag)
      }
    }
    expect(await must('--version')).toBe('entresol-img 0.0.0\n')
  })

  it('options join, mix with operands, and end at --', async () => {
    await must('create', '-qfraw', path('joined.raw'), '1M')
    expect(JSON.parse(await must('info', path('joined.raw'), '--output', 'json', '-U', '-f', 'raw'))).toMatchObject({ 'virtual-size': 1 << 20 })
    await must('resize', '-q', path('joined.raw'), '-512k', '--shrink')
    await must('resize', '-q', '-f', 'raw', '--shrink', path('joined.raw'), '--', '-256k')
    expect(JSON.parse(await must('info', '--output=json', path('joined.raw')))).toMatchObject({ 'virtual-size': 256 << 10 })
  })

  it('whatever is typed, the answer is an exit code and lines, never an exception', async () => {
    const files = new MemoryFiles()
    const word = fc.oneof(fc.constantFrom(...commands.map(({ name }) => name), 'a', 'b.qcow2', '1M', '-1M', 'json', 'raw', 'qcow2', 'vdi', 'bs=7', 'if=a', 'of=b', 'cluster_size=9', 'help', '--'),
      fc.constantFrom(...commands.flatMap(({ options }) => options.flatMap(({ flags }) => flags))), fc.string({ maxLength: 6 }))
    await fc.assert(fc.asyncProperty(fc.constantFrom(...commands.map(({ name }) => name)), fc.array(word, { maxLength: 7 }), async (command, words) => {
      const { code } = await img([command, ...words.filter(each => !/^[2-9]\d{3,}|[gtpe]$/i.test(each))], { files, remove: async () => {} })
      expect([0, 1, 2, 3, 4, 63]).toContain(code)
    }), { numRuns: 500 })
  })

  it('sizes are read and written as qemu-img does', () => {
    expect(['1', '1b', '4k', '1.5M', '2G', '0x200'].map(text => parseSize('x', text))).toEqual([1, 1, 4096, 1572864, 2 ** 31, 512])
    expect([0, 512, 999, 1000, 196 << 10, 1 << 20, 1500 << 20, 2 ** 40].map(humanSize)).toEqual(['0 B', '512 B', '999 B', '0.977 KiB', '196 KiB', '1 MiB', '1.46 GiB', '1 TiB'])
  })
})

describe('long work', () => {
  it('-p shows progress in qemu-img’s form, elsewhere only a terminal sees a bar, and -q silences both', async () => {
    await must('create', '-q', path('source.raw'), '64M')
    writeFileSync(path('data.raw'), Buffer.alloc(32 << 20, 7))
    const asked = await must('convert', '-p', path('data.raw'), path('target.raw'))
    expect(asked).toMatch(/^( {4}\(\d+\.\d\d\/100%\)\r)+\n$/)
    expect(asked).toMatch(/\(100\.00\/100%\)\r\n$/)
    expect(await must('convert', path('data.raw'), path('target.raw'))).toBe('')
    expect(await must('convert', '-pq', path('data.raw'), path('target.raw'))).toBe('')
    let now = 0
    const terminal = { terminal: true, now: () => now += 700 }
    const bar = await img(['convert', path('data.raw'), path('target.raw')], terminal)
    expect(bar.out).toBe('')
    expect(bar.err).toMatch(/\r\[[#.]{30}\] +\d+\.\d\d %/)
    expect((await img(['convert', '-q', path('data.raw'), path('target.raw')], terminal)).err).toBe('')
  })

  it('Ctrl-C leaves no half of an image, and nothing of an image that was there is open', async () => {
    const interrupt = new AbortController()
    let clock = 0
    const now = (): number => {
      if (++clock > 3) interrupt.abort()
      return clock
    }
    writeFileSync(path('long.raw'), Buffer.alloc(64 << 20, 7))
    const { code, err } = await img(['convert', '-p', '-O', 'qcow2', path('long.raw'), path('half.qcow2')], { signal: interrupt.signal, now })
    expect([code, err]).toEqual([1, 'entresol-img: interrupted\n'])
    expect(existsSync(path('half.qcow2'))).toBe(false)
    await must('convert', '-O', 'qcow2', path('long.raw'), path('half.qcow2'))
  })

  it('a failure on the way leaves no half of an image either', async () => {
    writeFileSync(path('short.raw'), Buffer.alloc(4 << 20, 7))
    const { code } = await img(['convert', '-O', 'vpc', '-o', 'subformat=nonsense', path('short.raw'), path('half.vpc')])
    expect(code).toBe(1)
    expect(existsSync(path('half.vpc'))).toBe(false)
  })

  it('a mistake costs nothing that was there', async () => {
    writeFileSync(path('precious'), 'precious')
    await must('create', '-q', '-f', 'qcow2', path('base.qcow2'), '1M')
    for (const words of [['create', '-f', 'qcow2', '-o', 'cluster_size=3', path('precious'), '1M'], ['create', '-f', 'raw', '-b', 'base.qcow2', '-F', 'qcow2', path('precious')],
      ['convert', '-O', 'qcow2', '-o', 'nonsense=1', path('base.qcow2'), path('precious')], ['convert', path('nothing'), path('precious')], ['create', '-f', 'qcow2', '-b', 'precious', '-F', 'raw', path('precious')]]) {
      expect(await img(words), words.join(' ')).toMatchObject({ code: 1 })
      expect(readFileSync(path('precious'), 'utf8')).toBe('precious')
    }
    // Nor the image that is read at the same time.
    await must('create', '-q', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', path('top.qcow2'))
    const before = readFileSync(path('base.qcow2'))
    if (process.platform === 'linux') expect(await img(['convert', '-O', 'qcow2', path('top.qcow2'), path('base.qcow2')])).toMatchObject({ code: 1 })
    expect(await img(['convert', path('base.qcow2'), path('base.qcow2')])).toMatchObject({ code: 1 })
    expect(readFileSync(path('base.qcow2')).equals(before)).toBe(true)
  })

  it('a source that cannot be read ends the copy; --salvage takes the rest', async () => {
    const broken = (salvage?: (offset: number) => void) => {
      const bytes = new Uint8Array(1 << 20)
      const target = {
        size: 1 << 20, readOnly: false, read: async () => {}, flush: async () => {}, discard: async () => {}, close: async () => {}, writeZeroes: async () => {},
        write: async (offset: number, from: Uint8Array) => void bytes.set(from, offset), status: async (_: number, length: number) => ({ length, allocated: true, zero: false }),
      }
      const source = { ...target, read: async (offset: number, into: Uint8Array) => {
        if (offset <= 5120 && offset + into.length > 5120) await FAIL()
        into.fill(1)
      } }
      const done = copy(source, target, { targetOffset: 0, parallel: 4, outOfOrder: false, sparse: 4096, targetZero: true, skipUnallocated: false, signal: new AbortController().signal, progress: () => {}, salvage })
      return { done, bytes }
    }
    const FAIL = () => img(['info', path('nothing')]).then(async () => (await import('@entresol/kit')).CodedError).then(Coded => {
      throw new Coded('io-error', 'bad sector')
    })
    await expect(broken().done).rejects.toMatchObject({ code: 'io-error' })
    const lost: number[] = []
    const { done, bytes } = broken(offset => lost.push(offset))
    await done
    expect(lost).toEqual([5120])
    expect(bytes.every((byte, at) => byte === (at >= 5120 && at < 5632 ? 0 : 1))).toBe(true)
  })
})

describe('zeroes', () => {
  it('are found in units, and everything else is data', () => {
    fc.assert(fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), fc.nat(4095), fc.integer({ min: 1, max: 4096 }), (units, within, tail) => {
      const bytes = new Uint8Array((units.length - 1) * 4096 + tail)
      units.forEach((data, index) => {
        const at = index * 4096 + within
        if (data && at < bytes.length) bytes[at] = 1
      })
      const stretches = zeroStretches(bytes, 4096)
      expect(stretches.reduce((end, { from, to }) => from === end && to > from ? to : NaN, 0)).toBe(bytes.length)
      for (const { from, to, zero } of stretches) {
        for (let at = from; at < to; at += 4096) expect(bytes.subarray(at, Math.min(to, at + 4096)).some(byte => byte !== 0)).toBe(!zero)
      }
    }))
    expect(zeroStretches(new Uint8Array(8192), 0)).toEqual([{ from: 0, to: 8192, zero: false }])
  })
})

it('the README names every command', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  for (const { name } of commands) expect(readme).toContain(name)
})
