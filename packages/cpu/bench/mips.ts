import { createBench, enterLongMode } from '../test/support/bench.ts'

/** Million guest instructions per second of the interpreter on a register/memory mix. */
const bench = createBench()
// mov ecx, n; l: mov rax,[rbx]; add rax,rcx; mov [rbx+8],rax; lea rdx,[rax+rcx*2]; xor rsi,rdx; shl rsi,3; cmp rsi,rax; push rax; pop rdi; dec ecx; jnz l; ud2
const code = [0xb9, 0, 0, 0, 0x10, 0x48, 0x8b, 0x03, 0x48, 0x01, 0xc8, 0x48, 0x89, 0x43, 0x08, 0x48, 0x8d, 0x14, 0x48, 0x48, 0x31, 0xd6, 0x48, 0xc1, 0xe6, 0x03, 0x48, 0x39, 0xc6,
  0x50, 0x5f, 0xff, 0xc9, 0x75, 0xe2, 0x0f, 0x0b]
bench.load(0x5000, Uint8Array.from(code))
enterLongMode(bench, 0x5000)
const r = bench.cpu.getRegisters()
r.gpr[3] = 0x9000n
bench.cpu.setRegisters(r)
const figures: number[] = []
for (let i = 0; i < 12; i++) {
  // Processor time, so that a busy machine tells less of itself.
  const start = process.cpuUsage()
  bench.cpu.run(20_000_000)
  figures.push(20_000_000 / process.cpuUsage(start).user)
}
console.log(figures.map((f) => f.toFixed(0)).join(' '), 'MIPS')
