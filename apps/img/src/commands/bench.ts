import { withCacheMode } from '@entresol/block'
import { CACHE, FORMAT, QUIET, SHARED, badUsage } from '../arguments.ts'
import { hostClock } from '../clock.ts'
import type { Command } from '../command.ts'
import { checkInterrupted } from '../copy.ts'
import { withImage } from '../images.ts'
import { cacheMode, parseCount, parseSize } from '../values.ts'

export const benchCommand: Command = {
  name: 'bench',
  operands: 'filename',
  summary: 'time many small requests to an image',
  options: [
    FORMAT, CACHE,
    { flags: ['-c'], argument: 'count', help: 'requests; 75000 when not given' },
    { flags: ['-d'], argument: 'depth', help: 'requests under way at a time; 64 when not given' },
    { flags: ['-o'], argument: 'offset', help: 'where the first one begins' },
    { flags: ['-s'], argument: 'buffer_size', help: 'bytes of each; 4096 when not given' },
    { flags: ['-S'], argument: 'step_size', help: 'bytes from one to the next; as many as each has when not given' },
    { flags: ['-w'], help: 'write' },
    { flags: ['--pattern'], argument: 'pattern', help: 'byte to write; 0 when not given' },
    { flags: ['--flush-interval'], argument: 'n', help: 'flush after every n writes' },
    { flags: ['--no-drain'], help: 'do not wait for the writes before a flush' },
    QUIET, SHARED,
  ],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const number = (flag: string, otherwise: number, minimum: number): number => parseCount(flag, given.value(flag) ?? String(otherwise), minimum, 2 ** 31 - 1)
    const size = (flag: string, otherwise: number): number => parseSize(flag, given.value(flag) ?? String(otherwise))
    const count = number('-c', 75_000, 1)
    const depth = Math.min(count, number('-d', 64, 1))
    const bytes = size('-s', 4096)
    const step = size('-S', 0) || bytes
    const start = size('-o', 0)
    const writes = given.has('-w')
    const interval = number('--flush-interval', 0, 0)
    if (interval > 0 && !writes) throw badUsage('--flush-interval goes with -w')
    if (interval > 0 && interval < depth && !given.has('--no-drain')) throw badUsage('--flush-interval cannot be smaller than -d')
    if ([bytes, step, start].some((value) => value % 512 !== 0) || bytes === 0 || bytes > 64 << 20) throw badUsage('-s, -S and -o must be multiples of 512')
    const pattern = parseCount('--pattern', given.value('--pattern') ?? '0', 0, 255)
    const cache = cacheMode(given, '-t', 'writeback')
    await withImage(host, path!, { format: given.value('-f'), readOnly: !writes, shared: given.has('-U'), cache }, async (image) => {
      if (image.size < bytes) throw badUsage(`${path}: is smaller than one request`)
      const target = withCacheMode(image, cache)
      if (!given.has('-q')) {
        host.out(`Sending ${count} ${writes ? 'write' : 'read'} requests, ${bytes} bytes each, ${depth} in parallel (starting at offset ${start}, step size ${step})\n`)
        if (interval > 0) host.out(`Sending flush every ${interval} requests\n`)
      }
      let sent = 0
      let offset = start % (image.size - bytes + 512)
      let flushing = Promise.resolve()
      const under = new Set<Promise<void>>()
      const begun = hostClock.now()
      const worker = async (): Promise<void> => {
        const buffer = new Uint8Array(bytes).fill(pattern)
        while (sent < count) {
          checkInterrupted(host.signal)
          sent++
          const flushes = interval > 0 && sent % interval === 0
          const at = offset
          offset = offset + step + bytes > image.size ? (offset + step) % 512 : offset + step
          await flushing
          const request = writes ? target.write(at, buffer) : target.read(at, buffer)
          under.add(request)
          await request.finally(() => under.delete(request))
          if (flushes) {
            flushing = (given.has('--no-drain') ? Promise.resolve() : Promise.allSettled(under).then(() => {})).then(() => target.flush())
            await flushing
          }
        }
      }
      const ends = await Promise.allSettled(Array.from({ length: depth }, worker))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
      if (!given.has('-q')) host.out(`Run completed in ${((hostClock.now() - begun) / 1e9).toFixed(3)} seconds.\n`)
    })
    return 0
  },
}
