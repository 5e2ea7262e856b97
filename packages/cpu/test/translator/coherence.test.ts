import { describe, expect, it } from 'vitest'
import type { Gpa, VcpuRegisters } from '@entresol/interfaces'
import { CODE, CODE3, gate, HANDLERS, longMachine, PAGES, protectedMachine } from '../support/system.ts'
import type { SystemBench } from '../support/system.ts'

/** What must hold of code that changes, moves or is looked at, whether it is interpreted or translated from the second arrival on. */
const hex = (text: string): Uint8Array => Uint8Array.from(text.trim().split(/\s+/), (byte) => parseInt(byte, 16))
const at = (address: number): Gpa => address as Gpa
/** A function that returns a constant in EAX: mov eax, 1; ret. Its immediate is at the next byte. */
const FUNCTION = 0x9100
const IMMEDIATE = FUNCTION + 1
const RETURN_1 = hex('b8 01 00 00 00 c3')
/** mov ecx, 4; mov ebx, FUNCTION; again: mov eax, 7; call rbx; dec ecx; jnz again; hlt */
const CALL_4 = hex('b9 04 00 00 00 bb 00 91 00 00 b8 07 00 00 00 ff d3 ff c9 75 f5 f4')
/** mov ecx, 4; again: call rbx; dec ecx; jnz again; hlt: makes what RBX points at hot. */
const CALLER = 0x8800
const CALL_RBX = hex('b9 04 00 00 00 ff d3 ff c9 75 fa f4')
/** Linear addresses in 4 KiB pages: 0x600000 + n * 4096 by entry n of TABLE. */
const PAGED = 0x600000
const TABLE = PAGES + 0x3000

describe.each([0, 1, 3])('code translated after %i arrivals', (translateAfter) => {
  const long = (): SystemBench => longMachine({}, { translateAfter })
  /** Runs the code in place again, from CODE or elsewhere. */
  const run = (m: SystemBench, from = CODE, registers: Record<number, number> = {}, change?: (r: VcpuRegisters) => void): VcpuRegisters => {
    let exit = m.execute([], {
      change: (r) => {
        r.rip = BigInt(from)
        for (const [n, value] of Object.entries(registers)) r.gpr[Number(n)] = BigInt(value)
        change?.(r)
      },
      steps: 1_000_000,
    })
    // Breakpoints end slices.
    for (let n = 0; n < 1000 && exit.reason === 'slice'; n++) exit = m.cpu.run(1_000_000)
    expect(exit.reason).toBe('halt')
    return m.registers()
  }
  /** Calls a function four times. */
  const call = (m: SystemBench, target: number, registers: Record<number, number> = {}, change?: (r: VcpuRegisters) => void): void => {
    m.load(CALLER, CALL_RBX)
    run(m, CALLER, { ...registers, 3: target }, change)
  }
  const eax = (r: VcpuRegisters): number => Number(r.gpr[0]! & 0xffffffffn)
  const paged = (m: SystemBench): void => {
    m.ram.writeU64(at(PAGES + 0x2018), BigInt(TABLE + 7))
  }
  const map = (m: SystemBench, page: number, physical: number, rights = 7): void => m.ram.writeU64(at(TABLE + page * 8), BigInt(physical + rights))

  it('sees its own stores to instructions ahead', () => {
    const m = long()
    // mov ecx, 10; xor eax, eax; lea rdi, [rip + patch + 1]; again: mov [rdi], ecx; patch: add eax, imm32; dec ecx; jnz again; hlt
    m.load(CODE, hex('b9 0a 00 00 00 31 c0 48 8d 3d 03 00 00 00 89 0f 05 11 11 11 11 ff c9 75 f5 f4'))
    for (let n = 0; n < 5; n++) expect(eax(run(m))).toBe(55)
  })

  it('sees its stores to another function', () => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    // xor esi, esi; mov ecx, 20; again: mov [IMMEDIATE], ecx; mov ebx, FUNCTION; call rbx; add esi, eax; dec ecx; jnz again; hlt
    m.load(CODE, hex('31 f6 b9 14 00 00 00 89 0c 25 01 91 00 00 bb 00 91 00 00 ff d3 01 c6 ff c9 75 ec f4'))
    for (let n = 0; n < 5; n++) expect(run(m).gpr[6]).toBe(210n)
  })

  it('keeps data beside instructions, and its translations with it', () => {
    const m = long()
    // mov ecx, 5000; again: inc dword [8f00]; add [8f08], ecx; dec ecx; jnz again; hlt
    m.load(CODE, hex('b9 88 13 00 00 ff 04 25 00 8f 00 00 01 0c 25 08 8f 00 00 ff c9 75 ee f4'))
    run(m)
    expect([m.u32(0x8f00), m.u32(0x8f08)]).toEqual([5000, 12502500])
    // A page that takes many stores may be taken for data now and then: not at every store.
    if (translateAfter) expect(m.cpu.translator!.stats.regions).toBeLessThan(20)
  })

  /** mov r8d, ecx; mov ecx, 21; mov edi, 90f0; mov al, 90; rep stosb; mov ecx, r8d; ret — and the same with mov esi, c000; rep movsb */
  it.each([
    ['REP STOSB', '41 89 c8 b9 15 00 00 00 bf f0 90 00 00 b0 90 f3 aa 44 89 c1 c3'],
    ['REP MOVSB', '41 89 c8 b9 15 00 00 00 bf f0 90 00 00 be 00 c0 00 00 f3 a4 44 89 c1 c3'],
  ])('sees %s that begins beside instructions and ends in them', (_, store) => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    m.load(CODE, CALL_4)
    m.load(0xb000, hex(store))
    m.load(0xc000, new Uint8Array(21).fill(0x90))
    for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(1)
    // The function is NOPs and its RET.
    call(m, 0xb000)
    expect(eax(run(m))).toBe(7)
    m.load(FUNCTION, RETURN_1)
    for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(1)
    call(m, 0xb000)
    expect(eax(run(m))).toBe(7)
  })

  it('sees the second of two stores through one register, beside instructions and into them', () => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    m.load(CODE, CALL_4)
    // mov byte [rdi], 1; mov dword [rdi + 81h], 5; ret
    m.load(0xb000, hex('c6 07 01 c7 87 81 00 00 00 05 00 00 00 c3'))
    for (let n = 0; n < 3; n++) {
      call(m, 0xb000, { 7: 0xd000 })
      expect(eax(run(m))).toBe(1)
    }
    call(m, 0xb000, { 7: IMMEDIATE - 0x81 })
    expect(eax(run(m))).toBe(5)
  })

  it('sees a stack that grows into instructions', () => {
    const m = long()
    m.load(FUNCTION, hex('b8 01 00 00 00 90 90 90 90 90 90 90 90 90 90 c3'))
    m.load(CODE, CALL_4)
    // mov r8, rsp; mov rsp, rdi; push 3; mov rsp, r8; ret
    m.load(0xb000, hex('49 89 e0 48 89 fc 6a 03 4c 89 c4 c3'))
    for (let n = 0; n < 3; n++) {
      call(m, 0xb000, { 7: 0xd000 })
      expect(eax(run(m))).toBe(1)
    }
    // The quadword 3 over the immediate and three of the NOPs, which become add [rax], al: RAX is 3.
    m.load(FUNCTION + 9, hex('c3'))
    for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(1)
    call(m, 0xb000, { 7: IMMEDIATE + 8 })
    expect(eax(run(m))).toBe(3)
  })

  it('sees stores through another linear address, and over a page border', () => {
    const m = long()
    // Linear 400000h.. is physical 0..
    m.ram.writeU64(at(PAGES + 0x2010), 0x87n)
    m.load(FUNCTION, RETURN_1)
    m.load(CODE, CALL_4)
    // mov [rdi], rsi; ret
    m.load(0xb000, hex('48 89 37 c3'))
    for (let n = 0; n < 3; n++) {
      call(m, 0xb000, { 7: 0xd000 })
      expect(eax(run(m))).toBe(1)
    }
    call(m, 0xb000, { 7: 0x400000 + IMMEDIATE, 6: 0xc300000009 })
    expect(eax(run(m))).toBe(9)
    // A function at the start of a page, overwritten by the end of a store that begins on the page before.
    m.load(0xa000, RETURN_1)
    m.load(CODE + 6, hex('00 a0'))
    for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(1)
    call(m, 0xb000, { 7: 0xa000 - 5 }, (r) => (r.gpr[6] = 0x0c_b8_00_00_00_00_00n))
    expect(m.u32(0xa000)).toBe(0x000cb8)
    expect(eax(run(m))).toBe(12)
  })

  it('sees what devices write', () => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    m.load(CODE, CALL_4)
    for (let value = 1; value < 8; value++) {
      m.ram.writeU32(at(IMMEDIATE), value)
      for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(value)
    }
  })

  /**
   * xor esi, esi; mov ebp, 4; phase: mov ecx, 5; again: mov ebx, 600ffd; call rbx; add esi, eax; dec ecx; jnz again;
   * xor dword [TABLE + 8], 3000h by way of EAX; then INVLPG [601000h] or a load of CR3; dec ebp; jnz phase; hlt
   */
  it.each([
    ['INVLPG', '0f 01 3c 25 00 10 60 00 ff cd 75 cf f4'],
    ['a load of CR3', '0f 20 d8 0f 22 d8 ff cd 75 d1 f4'],
  ])('goes where its pages are mapped now, after %s, in the middle of a function and of an instruction', (_, flush) => {
    const m = long()
    paged(m)
    map(m, 0, 0xa000)
    map(m, 1, 0xc000)
    // mov eax, imm32 with two bytes on the second page; add eax, imm8; ret
    m.load(0xaffd, hex('b8 01 00'))
    m.load(0xc000, hex('00 00 83 c0 05 c3'))
    m.load(0xf000, hex('01 00 83 c0 07 c3'))
    m.load(CODE, hex(`31 f6 bd 04 00 00 00 b9 05 00 00 00 bb fd 0f 60 00 ff d3 01 c6 ff c9 75 f3
      8b 04 25 08 30 10 00 35 00 30 00 00 89 04 25 08 30 10 00 ${flush}`))
    for (let n = 0; n < 4; n++) expect(run(m).gpr[6]).toBe(BigInt(10 * 6 + 10 * 0x10008))
  })

  it('calls through pages that are mapped elsewhere while a region with both exists', () => {
    const m = long()
    paged(m)
    map(m, 0, 0xa000)
    map(m, 1, 0xc000)
    // On the first page: call 601000h; inc eax; ret. On the second: mov eax, imm32; ret.
    m.load(0xa100, hex('e8 fb 0e 00 00 ff c0 c3'))
    m.load(0xc000, hex('b8 05 00 00 00 c3'))
    m.load(0xf000, hex('b8 09 00 00 00 c3'))
    m.load(CODE, CALL_4)
    m.load(CODE + 6, hex('00 01 60 00'))
    for (let n = 0; n < 6; n++) {
      map(m, 1, n & 1 ? 0xf000 : 0xc000)
      // setRegisters, by which the program is started, flushes the TLB.
      for (let again = 0; again < 3; again++) expect(eax(run(m))).toBe(n & 1 ? 10 : 6)
    }
    // Not present any more: the call faults at its target.
    map(m, 1, 0, 0)
    m.execute([], { change: (r) => (r.rip = BigInt(CODE)) })
    expect(m.registers().cr2).toBe(0x601000n)
    expect(m.registers().rip).toBe(BigInt(HANDLERS + 14 * 16 + 1))
  })

  const withSse = (r: VcpuRegisters): void => void (r.cr4 |= 0x600n)
  /**
   * mov eax, [rdi]; add rax, [rdi + 5]; mov [rdi + 9], eax; movups xmm0, [rdi + 3]; movups [rdi + 16], xmm0; add rdi, 2; mov [rdi + 6], ax;
   * xor r9, rax; rol r9, 7; ret
   */
  const BORDER = hex('8b 07 48 03 47 05 89 47 09 0f 10 47 03 0f 11 47 10 48 83 c7 02 66 89 47 06 49 31 c1 49 c1 c1 07 c3')

  it('accesses around a page border go to both pages, wherever they are', () => {
    const m = long()
    paged(m)
    map(m, 0, 0xa000)
    map(m, 1, 0xc000)
    m.load(0xb000, BORDER)
    const model = Uint8Array.from({ length: 0x2000 }, (_, i) => (i * 37 + (i >>> 8)) & 0xff)
    const view = new DataView(model.buffer)
    m.load(0xa000, model.subarray(0, 0x1000))
    m.load(0xc000, model.subarray(0x1000))
    // xor r9d, r9d; mov ecx, 90h; mov esi, 600f80h; mov ebx, b000h; again: mov edi, esi; call rbx; inc esi; dec ecx; jnz again; hlt
    m.load(CODE, hex('45 31 c9 b9 90 00 00 00 be 80 0f 60 00 bb 00 b0 00 00 89 f7 ff d3 ff c6 ff c9 75 f6 f4'))
    for (let n = 0; n < 3; n++) {
      const r = run(m, CODE, {}, withSse)
      let seen = 0n
      for (let offset = 0xf80; offset < 0x1010; offset++) {
        const sum = BigInt.asUintN(64, BigInt(view.getUint32(offset, true)) + view.getBigUint64(offset + 5, true))
        view.setUint32(offset + 9, Number(sum & 0xffffffffn), true)
        model.copyWithin(offset + 16, offset + 3, offset + 19)
        view.setUint16(offset + 8, Number(sum & 0xffffn), true)
        seen = BigInt.asUintN(64, ((seen ^ sum) << 7n) | ((seen ^ sum) >> 57n))
      }
      expect(r.gpr[9]).toBe(seen)
      const found = new Uint8Array(0x2000)
      m.ram.read(at(0xa000), found.subarray(0, 0x1000))
      m.ram.read(at(0xc000), found.subarray(0x1000))
      expect(found).toEqual(model)
    }
  })

  it('accesses that run into a page which is not there fault at its first byte, with nothing done', () => {
    const m = long()
    paged(m)
    map(m, 0, 0xa000)
    map(m, 1, 0xc000)
    m.load(0xb000, BORDER)
    call(m, 0xb000, { 7: PAGED, 6: PAGED }, withSse)
    map(m, 1, 0, 0)
    for (let offset = 0xfe1; offset < 0x1000; offset++) {
      m.execute([], { change: (r) => { withSse(r); r.rip = BigInt(CALLER); r.gpr[3] = 0xb000n; r.gpr[7] = r.gpr[6] = BigInt(PAGED + offset) } })
      // What is accessed from RDI on, by what instruction, with which error code.
      const accesses = [[0, 4, 0, 0n], [5, 13, 2, 0n], [9, 13, 6, 2n], [3, 19, 9, 0n], [16, 32, 13, 2n]] as const
      const [start, , length, error] = accesses.find(([, end]) => offset + end > 0x1000)!
      const address = BigInt(PAGED + Math.max(0x1000, offset + start))
      expect([offset, m.registers().rip, m.registers().cr2, m.stack(2)]).toEqual([offset, BigInt(HANDLERS + 14 * 16 + 1), address, [error, BigInt(0xb000 + length)]])
    }
  })

  it('asks for the rights of the privilege it runs at', () => {
    const m = long()
    paged(m)
    map(m, 0, 0xa000, 3)
    // mov ecx, 5; again: call fn; dec ecx; jnz again; hlt; fn: mov eax, [600000h]; ret
    m.load(CODE, hex('b9 05 00 00 00 e8 05 00 00 00 ff c9 75 f7 f4 8b 04 25 00 00 60 00 c3'))
    m.ram.writeU32(at(0xa000), 0x1234)
    for (let n = 0; n < 3; n++) expect(eax(run(m))).toBe(0x1234)
    m.execute([], { cpl: 3, change: (r) => (r.rip = BigInt(CODE)) })
    expect([m.registers().rip, m.registers().cr2, m.stack(3)]).toEqual([BigInt(HANDLERS + 14 * 16 + 1), 0x600000n, [5n, BigInt(CODE + 15), BigInt(CODE3)]])
  })

  it('goes to the kernel and back by SYSCALL and SYSRET', () => {
    const m = long()
    m.cpu.writeMsr(0xc0000081, 0x0010_0008_0000_0000n)
    m.cpu.writeMsr(0xc0000082, 0xe000n)
    // entry: add eax, eax; sysretq
    m.load(0xe000, hex('01 c0 48 0f 07'))
    // mov ebp, 50; again: mov eax, ebp; syscall; add ebx, eax; dec ebp; jnz again; jmp $
    m.load(CODE, hex('bd 32 00 00 00 89 e8 0f 05 01 c3 ff cd 75 f6 eb fe'))
    for (let n = 0; n < 4; n++) {
      m.execute([], { cpl: 3, change: (r) => { r.rip = BigInt(CODE); r.gpr[3] = 0n } })
      const r = m.registers()
      expect([r.gpr[3], r.rip, r.segments.ss.attributes & 0x60]).toEqual([2550n, BigInt(CODE + 15), 0x60])
    }
  })

  it('takes page faults in the middle of a loop, one for each page', () => {
    const m = long()
    paged(m)
    m.setGate(14, gate(8, 0xe000, 0x8e))
    // Maps the page of CR2 to physical 200000h.. and counts in [d000].
    m.load(0xe000, hex(`50 53 0f 20 d0 89 c3 c1 eb 0c 81 e3 ff 01 00 00 25 00 f0 ff ff 2d 00 00 60 00 05 00 00 20 00 83 c8 03
      48 89 04 dd 00 30 10 00 ff 04 25 00 d0 00 00 5b 58 48 83 c4 08 48 cf`))
    // mov ebx, 600000h; mov ecx, 64; xor eax, eax; again: add [rbx], ecx; adc eax, [rbx]; add ebx, 800h; dec ecx; jnz again; hlt
    m.load(CODE, hex('bb 00 00 60 00 b9 40 00 00 00 31 c0 01 0b 13 03 81 c3 00 08 00 00 ff c9 75 f2 f4'))
    for (let n = 1; n <= 3; n++) {
      for (let page = 0; page < 32; page++) map(m, page, 0, 0)
      expect(eax(run(m))).toBe(n * 2080)
      expect(m.u32(0xd000)).toBe(n * 32)
    }
  })

  it('is interrupted within a bound, with its flags kept', () => {
    const m = long()
    m.setGate(0x40, gate(8, 0xe000, 0x8e))
    // inc dword [d000]; cmp eax, eax; iretq
    m.load(0xe000, hex('ff 04 25 00 d0 00 00 39 c0 48 cf'))
    // mov ecx, 3000; xor eax, eax; xor edx, edx; clc; again: rcl eax, 1; adc eax, ecx; rcr edx, 3; lea rcx, [rcx - 1]; jrcxz done; jmp again; done: hlt
    m.load(CODE, hex('b9 b8 0b 00 00 31 c0 31 d2 f8 d1 d0 11 c8 c1 da 03 48 8d 49 ff e3 02 eb f1 f4'))
    const quiet = run(m)
    const start = m.registers()
    for (let n = 1; n <= 3; n++) {
      m.ram.writeU32(at(0xd000), 0)
      const r = { ...start, rip: BigInt(CODE), rflags: 0x202n, gpr: start.gpr.slice() }
      r.gpr[4] = 0x20000n
      m.cpu.setRegisters(r)
      let injected = 0
      for (let slice = 1; m.cpu.run(1 + (slice * 7919) % 97).reason === 'slice'; slice++) {
        const before = m.cpu.instructionCount
        m.interrupts.vector = 0x40
        m.cpu.interruptPending()
        injected++
        // Delivered before anything else: the handler's first instruction is the next one.
        m.cpu.run(1)
        expect(m.interrupts.vector).toBe(-1)
        expect(m.cpu.instructionCount - before).toBeLessThan(400)
      }
      const end = m.registers()
      expect([m.u32(0xd000), end.gpr, end.rflags]).toEqual([injected, quiet.gpr, quiet.rflags])
    }
  })

  it('follows segments that stop being flat, and that are flat again', () => {
    const m = protectedMachine({}, { translateAfter })
    // A data segment with base 1000h.
    m.setDescriptor(0x40, 0x00cf92001000ffffn)
    m.ram.writeU32(at(0xa000), 5)
    m.ram.writeU32(at(0xb000), 9)
    /*
     * mov ecx, 6; again: mov ebx, a000h; call fn; add esi, eax; dec ecx; jnz again; mov dx, 40h; mov ds, dx; call fn; mov edi, eax;
     * mov dx, 10h; mov ds, dx; call fn; hlt; fn: mov eax, [ebx]; ret
     */
    m.load(CODE, hex(`b9 06 00 00 00 bb 00 a0 00 00 e8 1e 00 00 00 01 c6 49 75 f1 66 ba 40 00 8e da e8 0e 00 00 00 89 c7
      66 ba 10 00 8e da e8 01 00 00 00 f4 8b 03 c3`))
    for (let n = 0; n < 4; n++) {
      const r = run(m, CODE, { 6: 0 })
      expect([r.gpr[6], r.gpr[7], r.gpr[0]]).toEqual([30n, 9n, 5n])
    }
  })

  /** push rax; mov rax, dr6; or [d008], rax; xor eax, eax; mov dr6, rax; pop rax; inc dword [d000]; or dword [rsp + 16], RF; iretq */
  const debugHandler = (m: SystemBench): void => {
    m.setGate(1, gate(8, 0xe000, 0x8e))
    m.load(0xe000, hex('50 0f 21 f0 48 09 04 25 08 d0 00 00 31 c0 0f 23 f0 58 ff 04 25 00 d0 00 00 81 4c 24 10 00 00 01 00 48 cf'))
    m.ram.writeU64(at(0xd000), 0n)
    m.ram.writeU64(at(0xd008), 0n)
  }

  it('is stepped from where TF is set to where it is cleared', () => {
    const m = long()
    debugHandler(m)
    /*
     * mov ecx, 10; again: inc ebx; dec ecx; jnz again; pushfq; or dword [rsp], TF; popfq; mov ecx, 5; again2: inc ebx; dec ecx; jnz again2;
     * pushfq; and dword [rsp], ~TF; popfq; mov ecx, 5; jmp again3; again3: inc ebx; dec ecx; jnz again3; hlt
     */
    m.load(CODE, hex(`b9 0a 00 00 00 ff c3 ff c9 75 fa 9c 81 0c 24 00 01 00 00 9d b9 05 00 00 00 ff c3 ff c9 75 fa
      9c 81 24 24 ff fe ff ff 9d b9 05 00 00 00 eb 00 ff c3 ff c9 75 fa f4`))
    for (let n = 1; n <= 4; n++) {
      expect(run(m, CODE, { 3: 0 }).gpr[3]).toBe(20n)
      // mov, 5 * (inc, dec, jnz), pushfq, and, popfq
      expect(m.u32(0xd000)).toBe(n * 19)
      expect(m.u32(0xd008) & 0x400f).toBe(0x4000)
    }
  })

  it('stops at breakpoints in the middle of loops that were translated before they were set', () => {
    const m = long()
    debugHandler(m)
    // mov ecx, 40; again: add eax, ecx; mov [a000h], ecx; inc ebx; dec ecx; jnz again; hlt
    m.load(CODE, hex('b9 28 00 00 00 01 c8 89 0c 25 00 a0 00 00 ff c3 ff c9 75 f1 f4'))
    for (let n = 0; n < 3; n++) run(m)
    expect(m.u32(0xd000)).toBe(0)
    const set = (n: number, address: number, control: number): void => {
      m.cpu.state.setU64(0x250 + n * 8, BigInt(address))
      m.cpu.state.setU64(0x250 + 56, BigInt(control))
      m.cpu.debugChanged()
    }
    // DR0: execution of inc ebx. DR1: four bytes written at a000h.
    set(0, CODE + 14, 0x402)
    run(m)
    expect([m.u32(0xd000), m.u32(0xd008) & 0x400f]).toEqual([40, 1])
    set(1, 0xa000, 0x00d00408)
    run(m)
    expect([m.u32(0xd000), m.u32(0xd008) & 0x400f]).toEqual([80, 3])
    set(1, 0, 0x400)
    run(m)
    expect(m.u32(0xd000)).toBe(80)
  })

  it('outlives the loss of all decoded and all translated code', () => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    // xor esi, esi; mov ecx, 200; again: mov ebx, FUNCTION; call rbx; add esi, eax; dec ecx; jnz again; hlt
    m.load(CODE, hex('31 f6 b9 c8 00 00 00 bb 00 91 00 00 ff d3 01 c6 ff c9 75 f3 f4'))
    for (let n = 0; n < 3; n++) {
      run(m)
      const r = m.registers()
      r.rip = BigInt(CODE)
      r.gpr[4] = 0x20000n
      m.cpu.setRegisters(r)
      for (let slice = 0; m.cpu.run(50).reason === 'slice'; slice++) {
        if (slice % 3 === 0) m.cpu.translator?.flush()
        if (slice % 3 === 1) m.cpu.code.flush()
      }
      expect(m.registers().gpr[6]).toBe(200n)
    }
  })

  it('outlives a table of regions that is full', { timeout: 300_000 }, () => {
    const m = long()
    m.load(FUNCTION, RETURN_1)
    // xor esi, esi; mov ecx, 20; mov ebx, FUNCTION; again: mov [IMMEDIATE], ecx; call rbx; call rbx; call rbx; add esi, eax; dec ecx; jnz again; hlt
    m.load(CODE, hex('31 f6 b9 14 00 00 00 bb 00 91 00 00 89 0c 25 01 91 00 00 ff d3 ff d3 ff d3 01 c6 ff c9 75 ed f4'))
    const rounds = process.env['ENTRESOL_FULL_TABLE'] ? 1500 : 10
    for (let n = 0; n < rounds; n++) expect(run(m).gpr[6]).toBe(210n)
    if (translateAfter !== 1) return
    const { regions, flushes } = m.cpu.translator!.stats
    expect(regions).toBeGreaterThan(15 * rounds)
    if (rounds === 1500) expect(flushes).toBeGreaterThan(0)
  })
})
