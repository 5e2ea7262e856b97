import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import * as current from '../src/index.ts'

/**
 * Bytes of code emitted per second, for statements like those of a translator: TLB-checked accesses and arithmetic with flags.
 *   node bench/emission.ts [src/index.ts of another version]   compares with that version, interleaved
 */
type Builder = Pick<typeof current, 'i32' | 'i64' | 'select' | 'ModuleBuilder'>

function emit({ i32, i64, select, ModuleBuilder }: Builder, functions: number): number {
  const module = new ModuleBuilder()
  module.importMemory('env', 'memory', 1, 65536, true)
  for (let n = 0; n < functions; n++) {
    const { builder: b } = module.func({ params: ['i32'], results: ['i32'] })
    const cpu = b.param('i32', 0).get
    const registers = Array.from({ length: 16 }, (_, r) => b.variable(i64.load(cpu, r * 8)))
    for (let k = 0; k < 100; k++) {
      b.scope(() => {
        const [x, y] = [registers[k & 15]!, registers[(k * 7 + n) & 15]!]
        const address = b.let(i64.add(i64.add(x.get, i64.shl(y.get, i64.const(3))), i64.const(k * 8)))
        const slot = b.let(i32.add(i32.load(cpu, 128), i32.and(i32.wrap_i64(i64.shr_u(address, i64.const(8))), i32.const(0xfff0))))
        const miss = i64.ne(i64.load(slot), i64.and(i64.add(address, i64.const(7)), i64.const(-4096)))
        b.if(miss, () => b.return(i32.const(k)))
        const value = b.let(i64.load(i32.add(i32.load(slot, 8), i32.wrap_i64(address))))
        const sum = b.let(i64.add(y.get, value))
        const carry = i64.extend_i32_u(i64.lt_u(sum, value))
        const overflow = i64.shr_u(i64.and(i64.xor(sum, value), i64.xor(sum, y.get)), i64.const(63))
        b.store('i64', cpu, 136, i64.or(i64.or(carry, i64.shl(overflow, i64.const(11))), i64.const(0xffff_ffff_8100_0000n)))
        b.set(y, select(i32.eqz(i32.load(cpu, 144)), sum, i64.const(0x1234 + k)))
      })
    }
    b.return(i32.const(-1))
  }
  return module.encode().length
}

const versions: Builder[] = [current]
if (process.argv[2]) versions.push(await import(pathToFileURL(resolve(process.argv[2])).href) as Builder)
const rates = versions.map(() => [] as number[])
for (let round = 0; round < 25; round++) {
  versions.forEach((version, v) => {
    const start = process.cpuUsage()
    const bytes = emit(version, 100)
    const { user, system } = process.cpuUsage(start)
    // The first rounds run unoptimised code.
    if (round >= 4) rates[v]!.push(bytes / (user + system))
  })
}
const medians = rates.map((list) => list.sort((a, b) => a - b)[list.length >> 1]!)
console.log(`${medians[0]!.toFixed(1)} MB of code per second of processor time`)
if (medians.length > 1) console.log(`the other version ${medians[1]!.toFixed(1)}; ratio ${(medians[0]! / medians[1]!).toFixed(2)}`)
