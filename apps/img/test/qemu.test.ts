import { createServer } from 'node:http'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RawImage } from '@entresol/block'
import { FileStore, listenNbd } from '@entresol/block/node'
import { img, must, qemuImg, qemuIo, qemuMissing, temporary } from './support.ts'

const folder = temporary()
const path = folder.path
let skipReason: string | undefined

/** Images with everything: data, holes, zeroes, compressed clusters, snapshots, backing files. */
const IMAGES = ['empty.qcow2', 'data.qcow2', 'top.qcow2', 'long.qcow2', 'small.qcow2', 'compressed.qcow2', 'snapshots.qcow2', 'v2.qcow2', 'data.raw', 'data.vdi', 'data.vpc', 'data.vhdx']

beforeAll(async () => {
  skipReason = await qemuMissing()
  if (skipReason !== undefined) return
  const create = async (...words: string[]): Promise<void> => {
    expect(await qemuImg('create', '-q', ...words)).toMatchObject({ code: 0 })
  }
  await create('-f', 'qcow2', path('empty.qcow2'), '64M')
  await create('-f', 'qcow2', path('data.qcow2'), '8M')
  await qemuIo(path('data.qcow2'), 'write -P 1 0 64k', 'write -P 2 256k 1M', 'write -z 2M 64k', 'write -P 3 4100k 3k', 'write -P 9 8191k 1k')
  await create('-f', 'qcow2', '-b', path('data.qcow2'), '-F', 'qcow2', path('top.qcow2'))
  await qemuIo(path('top.qcow2'), 'write -P 4 64k 64k', 'write -z 256k 128k', 'write -P 5 3M 5k')
  await create('-f', 'qcow2', '-b', path('top.qcow2'), '-F', 'qcow2', path('long.qcow2'), '12M')
  await qemuIo(path('long.qcow2'), 'write -P 6 9M 100k', 'write -P 7 128k 64k')
  await create('-f', 'qcow2', '-o', 'cluster_size=4k,refcount_bits=64,lazy_refcounts=on', path('small.qcow2'), '5M')
  await qemuIo(path('small.qcow2'), 'write -P 1 12k 1M', 'discard 16k 8k')
  expect(await qemuImg('convert', '-O', 'qcow2', '-c', path('data.qcow2'), path('compressed.qcow2'))).toMatchObject({ code: 0 })
  await create('-f', 'qcow2', path('snapshots.qcow2'), '2M')
  for (const name of ['one', 'two']) {
    await qemuIo(path('snapshots.qcow2'), `write -P ${name.length} 0 128k`)
    await qemuImg('snapshot', '-c', name, path('snapshots.qcow2'))
  }
  await create('-f', 'qcow2', '-o', 'compat=0.10', path('v2.qcow2'), '3M')
  for (const format of ['raw', 'vdi', 'vpc', 'vhdx']) expect(await qemuImg('convert', '-O', format, path('data.qcow2'), path(`data.${format}`))).toMatchObject({ code: 0 })
})
afterAll(() => folder.remove())
beforeEach(context => {
  if (skipReason !== undefined) context.skip(skipReason)
})

/** Both programs with the same words, but for the formats' options. */
async function both(...words: string[]): Promise<{ ours: Awaited<ReturnType<typeof img>>; theirs: Awaited<ReturnType<typeof qemuImg>> }> {
  const [ours, theirs] = [await img(words), await qemuImg(...words)]
  return { ours, theirs }
}

/** What qemu-img tells of snapshots and we do not know. */
const withoutCounts = (text: string): unknown => JSON.parse(text, (key, value: unknown) => key === 'icount' ? undefined : value)

describe('what qemu-img tells of an image, entresol-img does', () => {
  it.each(IMAGES)('info of %s', async name => {
    const { ours, theirs } = await both('info', '--output=json', path(name))
    expect(ours.err).toBe('')
    expect(JSON.parse(ours.out)).toEqual(withoutCounts(theirs.out))
    const human = await both('info', path(name))
    expect(human.ours.out).toBe(human.theirs.out.replace(/^(\d .*?) +\d+$/gm, '$1').replace(/-- *$/gm, ''))
  })

  it('info of a chain', async () => {
    const { ours, theirs } = await both('info', '--output=json', '--backing-chain', path('long.qcow2'))
    expect(JSON.parse(ours.out)).toEqual(JSON.parse(theirs.out))
    const human = await both('info', '--backing-chain', path('long.qcow2'))
    expect(human.ours.out).toBe(human.theirs.out)
  })

  // Where others look no further than a block, we tell of holes of the file within it.
  it.each(IMAGES.filter(name => !/vpc|vhdx/.test(name)))('map of %s', async name => {
    const { ours, theirs } = await both('map', '--output=json', path(name))
    expect(JSON.parse(ours.out)).toEqual(JSON.parse(theirs.out))
    if (name === 'compressed.qcow2') return expect(await img(['map', path(name)])).toMatchObject({ code: 1 })
    const human = await both('map', path(name))
    expect(human.ours.out).toBe(human.theirs.out)
  })

  it('map of a part', async () => {
    for (const range of [['--start-offset=100k', '--max-length=200k'], ['--start-offset=1', '--max-length=70000'], ['--start-offset=11M']]) {
      const { ours, theirs } = await both('map', '--output=json', ...range, path('long.qcow2'))
      expect(JSON.parse(ours.out)).toEqual(JSON.parse(theirs.out))
    }
  })

  it.each(IMAGES.filter(name => /qcow2|vdi|vhdx/.test(name)))('check of %s', async name => {
    const { ours, theirs } = await both('check', '--output=json', path(name))
    // Of VDI and VHDX qemu-img has no figures.
    expect(JSON.parse(ours.out)).toMatchObject(JSON.parse(theirs.out) as object)
    expect(ours.code).toBe(theirs.code)
    if (!name.endsWith('qcow2')) return
    expect(JSON.parse(ours.out)).toEqual(JSON.parse(theirs.out))
    const human = await both('check', path(name))
    expect(human.ours.out).toBe(human.theirs.out)
  })

  it('check of damaged images, and their repair', async () => {
    const damage: [string, number, number[]][] = [
      // An L2 entry that points behind the end; a refcount that is too high; one that is zero.
      ['an L2 entry', 0x40000, [0x80, 0, 0, 0, 0, 0xff, 0, 0]], ['a refcount too high', 0x20006, [0, 9]], ['a refcount of zero', 0x2000a, [0, 0]],
    ]
    for (const [what, offset, bytes] of damage) {
      for (const repair of [[], ['-r', 'leaks'], ['-r', 'all']]) {
        const outcomes = []
        for (const program of [img, (words: string[]) => qemuImg(...words)]) {
          const content = readFileSync(path('data.qcow2'))
          content.set(bytes, offset)
          writeFileSync(path('damaged'), content)
          const { code, out } = await program(['check', '--output=json', ...repair, path('damaged')])
          // qemu-img gives up on one of them when it may mend leaks only.
          if (out === '') continue
          const found = JSON.parse(out) as Record<string, number>
          outcomes.push([code, found['corruptions'], found['leaks'], found['corruptions-fixed'], found['leaks-fixed']])
        }
        expect(outcomes.length).toBeGreaterThan(0)
        expect(outcomes[0], `${what} ${repair.join(' ')}`).toEqual(outcomes.at(-1))
      }
    }
  })

  it('what cannot be checked has exit code 63', async () => {
    const { ours, theirs } = await both('check', path('data.raw'))
    expect([ours.code, theirs.code]).toEqual([63, 63])
  })

  it.each(IMAGES.filter(name => !/vpc|vhdx/.test(name)))('measure of %s', async name => {
    for (const words of [['-O', 'raw'], ['-O', 'qcow2'], ['-O', 'qcow2', '-o', 'cluster_size=4k,refcount_bits=1']]) {
      const { ours, theirs } = await both('measure', '--output=json', ...words, path(name))
      expect(JSON.parse(ours.out)).toEqual(JSON.parse(theirs.out))
    }
  })

  it('measure of sizes', async () => {
    for (const size of ['1', '1M', '10G', '3333M', '2T']) {
      for (const options of ['cluster_size=64k', 'cluster_size=512', 'cluster_size=2M', 'extended_l2=on,cluster_size=128k']) {
        if (size === '2T' && options === 'cluster_size=512') continue
        const { ours, theirs } = await both('measure', '-O', 'qcow2', '--size', size, '-o', options)
        expect(ours.out, `${size} ${options}`).toBe(theirs.out)
      }
    }
  })

  it('snapshots are listed as there', async () => {
    const { ours, theirs } = await both('snapshot', '-l', path('snapshots.qcow2'))
    expect(ours.out).toBe(theirs.out.replace(/^(\d .*?) +\d+$/gm, '$1'))
  })

  it('compare says the same, with the same exit code', async () => {
    for (const words of [['data.qcow2', 'data.raw'], ['data.qcow2', 'top.qcow2'], ['top.qcow2', 'long.qcow2'], ['-s', 'data.qcow2', 'long.qcow2'], ['-s', 'data.qcow2', 'data.qcow2'],
      ['empty.qcow2', 'v2.qcow2'], ['-q', 'data.qcow2', 'top.qcow2'], ['data.qcow2', 'nothing'], ['data.vdi', 'data.vhdx']]) {
      const { ours, theirs } = await both('compare', ...words.map(word => word.startsWith('-') ? word : path(word)))
      expect([ours.code, ours.out], words.join(' ')).toEqual([theirs.code, theirs.out])
    }
  })
})

/** The image is sound and reads as `other` does, as far as qemu-img can tell. */
async function sameByQemu(name: string, format: string, other: string): Promise<void> {
  if (format === 'qcow2' || format === 'vdi' || format === 'vhdx') expect(await qemuImg('check', '-q', '-f', format, path(name))).toMatchObject({ code: 0 })
  expect(await qemuImg('compare', '-f', format, path(name), path(other))).toMatchObject({ code: 0 })
}

describe('what entresol-img writes, qemu-img reads', () => {
  const targets: [string, string[]][] = [['raw', []], ['qcow2', []], ['qcow2', ['-c']], ['qcow2', ['-o', 'cluster_size=4k']], ['qcow2', ['-o', 'compat=0.10']], ['qcow2', ['-W', '-m', '16']], ['qcow2', ['-S', '0']], ['vdi', []], ['vhdx', []], ['vmdk', []], ['vmdk', ['-o', 'subformat=streamOptimized']]]
  it.each(targets)('convert -O %s %s', async (format, words) => {
    const made = `made.${format}${words.join('')}`
    for (const source of words.length === 0 ? ['data.qcow2', 'long.qcow2', 'compressed.qcow2'] : ['long.qcow2']) {
      await must('convert', '-O', format, ...words, path(source), path(made))
      await sameByQemu(made, format, source)
    }
  })

  it('convert -O vpc has the size the format can have', async () => {
    await must('convert', '-O', 'vpc', path('data.raw'), path('made.vpc'))
    expect((await qemuImg('compare', '-f', 'vpc', path('made.vpc'), path('data.raw'))).code).toBe(0)
  })

  it('several images are joined', async () => {
    await must('convert', '-O', 'qcow2', path('data.qcow2'), path('small.qcow2'), path('top.qcow2'), path('joined'))
    await qemuImg('convert', '-O', 'raw', path('data.qcow2'), path('small.qcow2'), path('top.qcow2'), path('joined.raw'))
    await sameByQemu('joined', 'qcow2', 'joined.raw')
  })

  it('convert -B keeps the difference only', async () => {
    await must('convert', '-O', 'qcow2', '-B', path('data.qcow2'), '-F', 'qcow2', path('top.qcow2'), path('difference'))
    await sameByQemu('difference', 'qcow2', 'top.qcow2')
    expect(statSync(path('difference')).size).toBeLessThan(700_000)
  })

  it('convert -n writes zeroes over what was there', async () => {
    await qemuImg('create', '-q', '-f', 'qcow2', path('full'), '12M')
    await qemuIo(path('full'), 'write -P 255 0 12M')
    await must('convert', '-n', '-O', 'qcow2', path('long.qcow2'), path('full'))
    await sameByQemu('full', 'qcow2', 'long.qcow2')
    expect(await img(['convert', '-n', '-O', 'qcow2', path('empty.qcow2'), path('full')])).toMatchObject({ code: 1 })
  })

  it('commit writes into the image below, and empties the one above', async () => {
    for (const words of [[], ['-d']]) {
      for (const name of ['data', 'top']) writeFileSync(path(`${name}.copy`), readFileSync(path(`${name}.qcow2`)))
      await qemuImg('rebase', '-u', '-f', 'qcow2', '-b', path('data.copy'), '-F', 'qcow2', path('top.copy'))
      expect(await must('commit', ...words, path('top.copy'))).toBe('Image committed.\n')
      await sameByQemu('data.copy', 'qcow2', 'top.qcow2')
      await sameByQemu('top.copy', 'qcow2', 'top.qcow2')
      const { 'allocated-clusters': allocated = 0 } = JSON.parse((await qemuImg('check', '--output=json', path('top.copy'))).out) as Record<string, number>
      expect(allocated > 0).toBe(words.length > 0)
    }
  })

  it('commit -b goes further down, and grows what is too small', async () => {
    for (const name of ['data', 'top', 'long']) writeFileSync(path(`${name}.copy`), readFileSync(path(`${name}.qcow2`)))
    await qemuImg('rebase', '-u', '-f', 'qcow2', '-b', path('data.copy'), '-F', 'qcow2', path('top.copy'))
    await qemuImg('rebase', '-u', '-f', 'qcow2', '-b', path('top.copy'), '-F', 'qcow2', path('long.copy'))
    await must('commit', '-q', '-b', path('data.copy'), path('long.copy'))
    await sameByQemu('data.copy', 'qcow2', 'long.qcow2')
    expect((await img(['commit', '-b', path('nothing'), path('long.copy')])).code).toBe(1)
  })

  it('rebase keeps the content, onto another image, onto none, and onto a shorter one', async () => {
    await qemuImg('create', '-q', '-f', 'qcow2', path('other'), '3M')
    await qemuIo(path('other'), 'write -P 99 0 3M')
    for (const words of [['-b', path('other'), '-F', 'qcow2'], ['-b', ''], ['-b', path('data.qcow2'), '-F', 'qcow2']]) {
      writeFileSync(path('moved'), readFileSync(path('long.qcow2')))
      await must('rebase', ...words, path('moved'))
      await sameByQemu('moved', 'qcow2', 'long.qcow2')
      const { 'backing-filename': backing } = JSON.parse((await qemuImg('info', '--output=json', path('moved'))).out) as Record<string, string>
      expect(backing ?? '').toBe(words[1])
    }
    writeFileSync(path('moved'), readFileSync(path('top.qcow2')))
    await must('rebase', '-u', '-b', 'elsewhere.qcow2', '-F', 'qcow2', path('moved'))
    expect(JSON.parse((await qemuImg('info', '--output=json', path('moved'))).out)).toMatchObject({ 'backing-filename': 'elsewhere.qcow2' })
  })

  it('create makes what info then tells, with a backing image too', async () => {
    await must('create', '-f', 'qcow2', '-o', 'cluster_size=128k,lazy_refcounts=on', path('new'), '1G')
    expect(JSON.parse((await qemuImg('info', '--output=json', path('new'))).out)).toMatchObject({ 'virtual-size': 2 ** 30, 'cluster-size': 131072 })
    await must('create', '-q', '-f', 'qcow2', '-b', 'data.qcow2', '-F', 'qcow2', path('new'))
    await sameByQemu('new', 'qcow2', 'data.qcow2')
    await must('create', '-u', '-f', 'qcow2', '-b', 'nowhere.qcow2', '-F', 'qcow2', path('new'), '1M')
    expect(JSON.parse((await qemuImg('info', '--output=json', path('new'))).out)).toMatchObject({ 'backing-filename': 'nowhere.qcow2' })
    expect(await img(['create', '-f', 'qcow2', '-b', 'nowhere.qcow2', '-F', 'qcow2', path('new2'), '1M'])).toMatchObject({ code: 1 })
    expect(await img(['create', '-f', 'qcow2', '-b', 'data.qcow2', path('new2')])).toMatchObject({ code: 1, err: expect.stringContaining('-F qcow2') })
  })

  it('resize and snapshot leave a sound image', async () => {
    writeFileSync(path('changed'), readFileSync(path('data.qcow2')))
    expect(await must('resize', path('changed'), '+1M')).toBe('Image resized.\n')
    await must('snapshot', '-c', 'before', path('changed'))
    await qemuIo(path('changed'), 'write -P 77 0 2M')
    await must('snapshot', '-a', 'before', path('changed'))
    expect((await qemuImg('compare', path('changed'), path('data.qcow2'))).code).toBe(0)
    expect(await must('snapshot', '-l', path('changed'))).toMatch(/^1 {9}before {11} +0 B /m)
    await must('snapshot', '-d', 'before', path('changed'))
    await must('resize', '--shrink', path('changed'), '-1M')
    await sameByQemu('changed', 'qcow2', 'data.qcow2')
    expect(await img(['snapshot', '-a', 'nothing', path('changed')])).toMatchObject({ code: 1 })
  })

  it('convert -l takes a snapshot, and leaves the image alone', async () => {
    const before = readFileSync(path('snapshots.qcow2'))
    await qemuIo(path('snapshots.qcow2'), 'write -P 200 64k 1M')
    const changed = readFileSync(path('snapshots.qcow2'))
    for (const which of ['one', '2', 'snapshot.name=two', 'snapshot.id=1']) {
      await must('convert', '-l', which, '-O', 'qcow2', path('snapshots.qcow2'), path('taken'))
      await qemuImg('convert', '-l', which.includes('=') ? which : `snapshot.${/^\d/.test(which) ? 'id' : 'name'}=${which}`, '-O', 'raw', path('snapshots.qcow2'), path('taken.raw'))
      await sameByQemu('taken', 'qcow2', 'taken.raw')
    }
    expect(await img(['convert', '-l', 'three', path('snapshots.qcow2'), path('taken')])).toMatchObject({ code: 1 })
    expect(readFileSync(path('snapshots.qcow2')).equals(changed)).toBe(true)
    writeFileSync(path('snapshots.qcow2'), before)
  })

  it('dd takes the part dd takes, as qemu-img does', async () => {
    const whole = readFileSync(path('data.raw'))
    const cases: [string[], number, number][] = [
      [['bs=512', 'count=5'], 0, 2560], [['bs=1000', 'count=300'], 0, 300_000], [['bs=1000', 'count=300', 'skip=64'], 64_000, 364_000], [['bs=64k', 'skip=3'], 196_608, whole.length],
      [['bs=1M', 'count=100'], 0, whole.length], [['skip=99999'], whole.length, whole.length],
    ]
    for (const [words, from, to] of cases) {
      await must('dd', '-f', 'raw', ...words, `if=${path('data.raw')}`, `of=${path('ours.part')}`)
      const part = readFileSync(path('ours.part'))
      expect(part.length).toBe(Math.ceil((to - from) / 512) * 512)
      expect(part.equals(Buffer.concat([whole.subarray(from, to), Buffer.alloc(part.length - (to - from))]))).toBe(true)
      // qemu-img's count begins before what is skipped.
      if (words.length > 2) continue
      await qemuImg('dd', '-f', 'raw', ...words, `if=${path('data.raw')}`, `of=${path('theirs.part')}`)
      expect(readFileSync(path('theirs.part')).equals(part), words.join(' ')).toBe(true)
    }
  })

  it('bench runs, and writes what it should', async () => {
    writeFileSync(path('benched'), readFileSync(path('data.qcow2')))
    expect(await must('bench', '-c', '500', path('benched'))).toMatch(/^Sending 500 read requests, 4096 bytes each, 64 in parallel \(starting at offset 0, step size 4096\)\nRun completed in [\d.]+ seconds\.\n$/)
    await must('bench', '-w', '-c', '128', '-s', '64k', '-d', '8', '--pattern', '90', '--flush-interval', '16', path('benched'))
    await qemuIo(path('benched'), 'read -P 90 0 8M')
  })
})

describe('images elsewhere', () => {
  it('are converted from nbd:// and http://, whatever their format, and to nbd://', { timeout: 60_000 }, async () => {
    const listener = await listenNbd({ socket: path('nbd.sock') }, { exports: [
      { name: 'image', backend: new RawImage(await FileStore.open(path('data.qcow2'), { readOnly: true })), readOnly: true },
      { name: 'target', backend: await (async () => {
        const store = await FileStore.open(path('target.raw'), { readOnly: false, create: true })
        await store.truncate(8 << 20)
        return new RawImage(store)
      })(), readOnly: false },
    ] })
    const web = createServer((request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!
      const content = readFileSync(path(request.url!.slice(1)))
      const end = Math.min(content.length, Number(to) + 1)
      response.writeHead(206, { 'content-range': `bytes ${from}-${end - 1}/${content.length}` }).end(content.subarray(Number(from), end))
    })
    await new Promise<void>(resolve => void web.listen(0, '127.0.0.1', resolve))
    const port = (web.address() as AddressInfo).port
    try {
      for (const source of [`nbd+unix:///image?socket=${path('nbd.sock')}`, `http://127.0.0.1:${port}/data.qcow2`, `http://127.0.0.1:${port}/data.vhdx`]) {
        await must('convert', '-O', 'qcow2', source, path('fetched'))
        await sameByQemu('fetched', 'qcow2', 'data.qcow2')
        expect(JSON.parse(await must('info', '--output=json', source))).toMatchObject({ 'virtual-size': 8 << 20, 'filename': source })
      }
      // An overlay on a disk on the web.
      await must('create', '-q', '-f', 'qcow2', '-b', `http://127.0.0.1:${port}/data.qcow2`, '-F', 'qcow2', path('overlay'))
      expect(await must('compare', path('overlay'), path('data.qcow2'))).toBe('Images are identical.\n')
      await must('convert', '-n', '-O', 'raw', path('data.qcow2'), `nbd+unix:///target?socket=${path('nbd.sock')}`)
      expect(await img(['convert', '-O', 'raw', path('data.qcow2'), `http://127.0.0.1:${port}/x`])).toMatchObject({ code: 1 })
    } finally {
      await listener.close()
      web.close()
      web.closeAllConnections()
    }
    expect((await qemuImg('compare', '-U', '-f', 'raw', path('target.raw'), path('data.qcow2'))).code).toBe(0)
  })
})
