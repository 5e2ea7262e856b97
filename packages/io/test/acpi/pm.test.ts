import { beforeEach, describe, expect, test } from 'vitest'
import { AcpiPm, ApmControl, Piix4Pm } from '../../src/acpi/index.ts'
import { MmioBus, PortBus } from '../../src/bus/index.ts'
import { PciBus } from '../../src/pci/index.ts'
import { read, RecordingLine, write } from '../support/device-fakes.ts'
import { WallClock } from '../support/platform-fakes.ts'

let clock: WallClock
let sci: RecordingLine
let offs: number
let pm: AcpiPm
beforeEach(() => {
  clock = new WallClock()
  sci = new RecordingLine()
  offs = 0
  pm = new AcpiPm({ clock, sci, onPowerOff: () => { offs++ } })
})

test('the timer runs at 3.579545 MHz and wraps at 24 bits', () => {
  clock.advance(1e9)
  expect(Math.abs(read(pm, 8, 4) - 3_579_545)).toBeLessThanOrEqual(1)
  clock.advance(4e9)
  expect(read(pm, 8, 4)).toBe(Math.floor(5 * 315e6 / 88) % 2 ** 24)
  expect(read(pm, 9, 1)).toBe((read(pm, 8, 4) >> 8) & 0xff)
})

test('TMR_STS follows the top bit, raises SCI when enabled, and falls when written', () => {
  write(pm, 4, 1, 2)
  write(pm, 2, 1, 2)
  clock.advance(2.3e9)
  expect(sci.level).toBe(false)
  clock.advance(0.1e9)
  expect([sci.level, read(pm, 0, 2)]).toEqual([true, 1])
  write(pm, 0, 1, 2)
  expect([sci.level, read(pm, 0, 2)]).toEqual([false, 0])
  clock.advance(2.4e9)
  expect(sci.edges).toBe(2)
})

test('the power button raises SCI only in ACPI mode and when enabled', () => {
  expect(pm.pressPowerButton()).toBe(false)
  expect(sci.level).toBe(false)
  write(pm, 2, 0x100, 2)
  const apm = new ApmControl((on) => pm.setAcpiMode(on))
  write(apm, 0, 0xf1)
  expect([read(pm, 4, 2), sci.level]).toEqual([1, true])
  write(pm, 0, 0x100, 2)
  expect(sci.level).toBe(false)
  expect(pm.pressPowerButton()).toBe(true)
  write(apm, 0, 0xf0)
  expect([read(pm, 4, 2), sci.level]).toEqual([0, false])
})

test('SLP_EN with the S5 type powers off, another type does not, and SLP_EN reads zero', () => {
  write(pm, 4, 0x2401, 2)
  expect([offs, read(pm, 4, 2)]).toEqual([0, 0x0401])
  write(pm, 4, 0x2001, 2)
  expect([offs, read(pm, 4, 2)]).toEqual([1, 0x0001])
})

test('general purpose events raise SCI and are cleared by writing one', () => {
  write(pm, 4, 1, 2)
  write(pm, 0x0e, 0x0002, 2)
  pm.raiseGpe(1)
  pm.raiseGpe(2)
  expect([sci.level, read(pm, 0x0c, 2)]).toEqual([true, 6])
  write(pm, 0x0c, 2, 2)
  expect([sci.level, read(pm, 0x0c, 2)]).toEqual([false, 4])
})

describe('PIIX4 function 3', () => {
  test('decodes the registers where firmware puts them, once enabled, and not after reset', () => {
    const ports = new PortBus()
    const pci = new PciBus(ports, new MmioBus())
    const device = new Piix4Pm(pm)
    pci.attach(1, 3, device)
    pci.writeConfig(0, 11, 0x40, 4, 0x600 | 1)
    expect(ports.deviceAt(0x608)).toBeUndefined()
    pci.writeConfig(0, 11, 0x80, 1, 1)
    expect(device.pmBase).toBe(0x600)
    expect(pci.readConfig(0, 11, 0x40, 4)).toBe(0x601)
    device.configure(0xb000)
    expect([ports.deviceAt(0x608), ports.deviceAt(0xb008)?.name]).toEqual([undefined, 'acpi-pm'])
    device.reset()
    expect(ports.deviceAt(0xb008)).toBeUndefined()
  })

  test('an SMBus probe ends at once with a device error', () => {
    const { smbus } = new Piix4Pm(pm)
    write(smbus, 4, 0xa1)
    write(smbus, 2, 0x48)
    expect(read(smbus, 0)).toBe(0x04)
    write(smbus, 0, 0x1e)
    expect(read(smbus, 0)).toBe(0)
  })
})

test('state round-trips and bad state is refused', () => {
  write(pm, 4, 1, 2)
  write(pm, 2, 0x521, 2)
  pm.raiseGpe(3)
  const state = structuredClone(pm.save())
  const other = new AcpiPm({ clock, sci: new RecordingLine(), onPowerOff: () => {} })
  other.restore(state)
  expect(other.save()).toEqual(state)
  expect(() => other.restore({ ...state, enable: 0x1_0000 })).toThrowError(expect.objectContaining({ code: 'bad-snapshot' }))
})
