import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eisaId, integer, path, pkg } from '../../src/acpi/aml-index.ts'
import { acpiFwCfgFiles, type AcpiMachine, dsdt, fadt, hpetTable, layOutAcpiTables, madt, mcfg } from '../../src/acpi/index.ts'
import { ArrayMemory } from '../support/device-fakes.ts'

const machine: AcpiMachine = {
  apicIds: [0, 1, 2, 300], ioapic: { id: 0, base: 0xfec0_0000 }, hpetBase: 0xfed0_0000, ecam: { base: 0xe000_0000, buses: 256 },
  pciWindows: [{ base: 0xc000_0000, length: 0x2000_0000 }, { base: 0xf000_0000, length: 0xec0_0000 }, { base: 0x80_0000_0000, length: 0x40_0000_0000 }],
  i8042: true, serial: [{ port: 0x3f8, irq: 4 }, { port: 0x2f8, irq: 3 }]
}
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
const text = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length))
const haveIasl = spawnSync('iasl', ['-v']).error === undefined
if (!haveIasl) console.log('SKIPPED: iasl (package acpica-tools) is not installed, AML is not checked against it')

test('encodes names, integers, EISA IDs and package lengths as the specification\'s examples do', () => {
  expect(path('\\_SB.PCI0')).toEqual([0x5c, 0x2e, ...Buffer.from('_SB_PCI0')])
  expect(path('^^X')).toEqual([0x5e, 0x5e, ...Buffer.from('X___')])
  expect(path('A.B.C')).toEqual([0x2f, 3, ...Buffer.from('A___B___C___')])
  expect([integer(0), integer(1), integer(0x7f), integer(0x1234), integer(0x12345678), integer(2n ** 63n)].map((aml) => aml[0])).toEqual([0, 1, 0x0a, 0x0b, 0x0c, 0x0e])
  expect(eisaId('PNP0A03')).toEqual([0x0c, 0x41, 0xd0, 0x0a, 0x03])
  expect(pkg(Array(61).fill([0])).slice(0, 2)).toEqual([0x12, 63])
  expect(pkg(Array(62).fill([0])).slice(0, 3)).toEqual([0x12, 0x41, 0x04])
  expect(() => path('lower')).toThrowError(expect.objectContaining({ code: 'aml-name' }))
})

test('every table has its length and sums to zero', () => {
  for (const table of [dsdt(machine), fadt(machine), madt(machine), mcfg(machine.ecam!), hpetTable(0xfed0_0000)]) {
    expect(new DataView(table.buffer).getUint32(4, true)).toBe(table.length)
    expect(sum(table)).toBe(0)
  }
  expect(fadt(machine).length).toBe(244)
  expect(mcfg(machine.ecam!).length).toBe(60)
  expect(hpetTable(0).length).toBe(56)
})

test('hardware-reduced tables name virtio-mmio devices with their registers and pin', () => {
  const aml = Buffer.from(dsdt({ ...machine, hardwareReduced: true, virtioMmio: [{ base: 0xfeb0_0200, length: 0x200, gsi: 6 }] }))
  expect(aml.includes(Buffer.from('VR00')) && aml.includes(Buffer.from('LNRO0005'))).toBe(true)
  // A fixed 32-bit memory range, and a level-triggered interrupt (ACPI 6.5, 6.4.3.4, 6.4.3.6).
  expect(aml.includes(Buffer.from([0x86, 9, 0, 1, 0x00, 0x02, 0xb0, 0xfe, 0x00, 0x02, 0, 0, 0x89, 6, 0, 0x09, 1, 6, 0, 0, 0]))).toBe(true)
})

/** Follows the pointers as a guest does, and gives back the tables by signature. */
function walk(memory: ArrayMemory, rsdp: number): Map<string, Uint8Array> {
  const view = new DataView(memory.u8.buffer)
  expect(text(memory.u8, rsdp, 8)).toBe('RSD PTR ')
  expect(sum(memory.u8.subarray(rsdp, rsdp + 20))).toBe(0)
  expect(sum(memory.u8.subarray(rsdp, rsdp + 36))).toBe(0)
  const found = new Map<string, Uint8Array>()
  const add = (at: number, checked = true): Uint8Array => {
    const bytes = memory.u8.slice(at, at + view.getUint32(at + 4, true))
    if (checked) expect(sum(bytes)).toBe(0)
    found.set(text(bytes, 0, 4), bytes)
    return bytes
  }
  const rsdt = new DataView(add(view.getUint32(rsdp + 16, true)).buffer)
  const xsdt = new DataView(add(Number(view.getBigUint64(rsdp + 24, true))).buffer)
  for (let index = 0; 36 + 8 * index < xsdt.byteLength; index++) {
    const at = Number(xsdt.getBigUint64(36 + 8 * index, true))
    expect(rsdt.getUint32(36 + 4 * index, true)).toBe(at)
    add(at)
  }
  const fixed = new DataView(found.get('FACP')!.buffer)
  expect(Number(fixed.getBigUint64(140, true))).toBe(fixed.getUint32(40, true))
  add(fixed.getUint32(40, true))
  expect(fixed.getUint32(36, true) % 64).toBe(0)
  add(fixed.getUint32(36, true), false)
  return found
}

test('laid out for a kernel, every table is found from the RSDP', () => {
  const memory = new ArrayMemory()
  const layout = layOutAcpiTables(memory, machine)
  expect([...walk(memory, layout.rsdp).keys()].sort()).toEqual(['APIC', 'DSDT', 'FACP', 'FACS', 'HPET', 'MCFG', 'RSDT', 'XSDT'])
  expect(layout.tables.base + layout.tables.length).toBeLessThan(0x10_0000)
})

test('the loader script, run as firmware runs it, builds the same tables elsewhere', () => {
  const files = acpiFwCfgFiles(machine)
  const memory = new ArrayMemory()
  const script = files.get('etc/table-loader')!
  const view = new DataView(script.buffer)
  const ram = new DataView(memory.u8.buffer)
  const name = (at: number): string => text(script, at, 56).replace(/\0.*/s, '')
  const at = new Map<string, number>()
  for (let entry = 0; entry < script.length; entry += 128) {
    const file = name(entry + 4)
    switch (view.getUint32(entry, true)) {
      case 1: {
        const zone = view.getUint8(entry + 64)
        const base = zone === 2 ? 0xf_6000 : 0x8_0040
        expect(base % view.getUint32(entry + 60, true)).toBe(0)
        at.set(file, base)
        memory.u8.set(files.get(file)!, base)
        break
      }
      case 2: {
        const where = at.get(file)! + view.getUint32(entry + 116, true)
        const source = at.get(name(entry + 60))!
        if (view.getUint8(entry + 120) === 4) ram.setUint32(where, ram.getUint32(where, true) + source, true)
        else ram.setBigUint64(where, ram.getBigUint64(where, true) + BigInt(source), true)
        break
      }
      case 3: {
        const base = at.get(file)!
        const [offset, start, length] = [60, 64, 68].map((field) => view.getUint32(entry + field, true))
        memory.u8[base + offset] -= sum(memory.u8.subarray(base + start, base + start + length))
        break
      }
      default: expect.unreachable()
    }
  }
  const reference = new ArrayMemory()
  const expected = walk(reference, layOutAcpiTables(reference, machine).rsdp)
  const tables = walk(memory, at.get('etc/acpi/rsdp')!)
  expect(tables.get('DSDT')).toEqual(expected.get('DSDT'))
  expect([...tables.keys()]).toEqual([...expected.keys()])
})

test.skipIf(!haveIasl)('iasl disassembles every table, and recompiles the DSDT without errors or warnings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'acpi-'))
  try {
    for (const [name, bytes] of Object.entries({
      dsdt: dsdt(machine), dsdt2: dsdt({ ...machine, ecam: undefined, hpetBase: undefined, i8042: false, serial: [] } as unknown as AcpiMachine),
      apic: madt(machine), facp: fadt(machine), mcfg: mcfg(machine.ecam!), hpet: hpetTable(0xfed0_0000)
    })) {
      writeFileSync(join(folder, `${name}.aml`), bytes)
      execFileSync('iasl', ['-d', `${name}.aml`], { cwd: folder, stdio: 'pipe' })
      const source = readFileSync(join(folder, `${name}.dsl`), 'latin1')
      expect(source).not.toMatch(/Invalid|Unknown|ERROR|Incorrect|overflow/i)
      const compiled = spawnSync('iasl', ['-ve', '-p', `${name}-again`, `${name}.dsl`], { cwd: folder, encoding: 'latin1' })
      expect(`${compiled.stdout}${compiled.stderr}`).toMatch(/0 Errors|^((?!Error).)*$/s)
      expect(compiled.status, compiled.stdout + compiled.stderr).toBe(0)
      if (name !== 'dsdt') continue
      const warnings = spawnSync('iasl', ['-p', 'warn', 'dsdt.dsl'], { cwd: folder, encoding: 'latin1' })
      expect(warnings.stdout).toMatch(/0 Errors, 0 Warnings/)
      for (const wanted of ['_S5', 'Method (_PRT', 'Device (LNKD)', 'COM2', 'PNP0C02']) expect(source).toContain(wanted)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
