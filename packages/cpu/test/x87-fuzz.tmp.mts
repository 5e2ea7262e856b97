import { RealCpu, formsOfRow, generateCase, differences, describeCase } from '@entresol/oracle'
import { X87 } from '../src/instructions/x87/index.ts'
import { createSubject } from './support/subject.ts'
const only = new RegExp(process.argv[2] ?? '')
const count = Number(process.argv[3] ?? 500)
const seed0 = Number(process.argv[4] ?? 1)
const mix = (x: number): number => { x = Math.imul(x ^ (x >>> 16), 0x85ebca6b); x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35); return (x ^ (x >>> 16)) >>> 0 }
const cpu = await RealCpu.start()
const subject = await createSubject()
let total = 0, bad = 0, known = 0
const hex = (b: Uint8Array) => Buffer.from(b).toString('hex')
for (const row of X87) {
  const trans = row.options.unobservable === true
  const forms = formsOfRow({ ...row, mnemonic: row.mnemonic.replace(/^FNS(TENV|AVE)/, 'XFNS$1'), options: { ...row.options, unobservable: undefined } } as never).filter((f) => only.test(f.name))
  for (const form of forms) {
    const cases = []
    for (let i = 0; i < count; i++) { const g = generateCase(form, mix(seed0 * 1000003 + i * 7 + form.name.length * 131), i); if (g) cases.push(g) }
    const out = await cpu.run(cases.map((c) => c.testCase))
    let differ = 0, ulp = 0, compared = 0, shown = 0
    cases.forEach((c, i) => {
      const o = out[i]!
      if (o.kind !== 'done' && o.kind !== 'fault') return
      compared++
      let lines = differences(o, subject.run(c.testCase), c.undefinedFlags)
      if (trans && lines.length) {
        const rest = lines.filter((l) => {
          if (/^fsw/.test(l)) { const [a, b] = [...l.matchAll(/ ([0-9a-f]{4})(?=,|$)/g)].map((m) => { const x = parseInt(m[1]!, 16); return ((x & 0xff) << 8) | (x >> 8) }); return ((a! ^ b!) & ~0x200) !== 0 }
          const m = /^st\d: expected ([0-9a-f]{20}), got ([0-9a-f]{20})$/.exec(l)
          if (!m) return true
          const v = (s: string) => BigInt('0x' + Buffer.from(s, 'hex').reverse().toString('hex'))
          const norm = (x: bigint) => ((x >> 64n) << 63n) | (x & 0x7fffffffffffffffn)
          const d = norm(v(m[1]!)) - norm(v(m[2]!))
          return d < -1n || d > 1n
        })
        if (rest.length === 0) { ulp++; return }
        lines = rest
      }
      if (lines.length === 0) return
      if (/expected #13 error 0, got #14 error \d at 0xffff8000000000|expected #14 error 20 at 0x101000, got #6/.test(lines[0]!)) { known++; return }
      differ++
      if (shown++ < Number(process.argv[5] ?? 2)) {
        const x = c.testCase.extended!, v = new DataView(x.buffer, x.byteOffset)
        console.log(`  ${form.name} seed ${c.seed}: ${describeCase(c.testCase).slice(0, 60)} fcw ${v.getUint16(0, true).toString(16)} fsw ${v.getUint16(2, true).toString(16)} ftw ${x[4]!.toString(2)} top ${(v.getUint16(2, true) >> 11) & 7}`)
        const st = Number(process.argv[6] ?? 2); const base = x.length - 592 + 0
        for (let k = 0; k < st; k++) console.log(`     st${k} ${EXT(x, k)}`)
        for (const p of c.testCase.memory ?? []) console.log('     mem', hex(p.bytes))
        console.log('     ' + lines.join('\n     '))
      }
    })
    total += compared; bad += differ
    if (differ || process.argv[7]) console.log(`${form.name}: ${compared} compared, ${differ} differ${trans ? `, ${ulp} within 1 ulp` : ''}`)
  }
}
import { EXT_ST } from '@entresol/oracle'
function EXT(x: Uint8Array, k: number) { return Buffer.from(x.subarray(EXT_ST + 10 * k, EXT_ST + 10 * k + 10)).reverse().toString('hex') }
console.log(`${total} compared, ${bad} differ, ${known} known of no x87 matter`)
await cpu.stop()
