import { describe, expect, it } from 'vitest'
import { DebugPort } from '../../src/debug-port/debug-port.ts'
import { IsaDebugExit } from '../../src/isa-debug-exit/isa-debug-exit.ts'
import { Port92 } from '../../src/port92/port92.ts'
import { FakePort, read, write } from '../support/device-fakes.ts'

describe('isa-debug-exit', () => {
  it('reports (value << 1) | 1 and reads as nothing', () => {
    const codes: number[] = []
    const device = new IsaDebugExit({ onExit: (code) => codes.push(code) })
    write(device, 0, 0x10)
    write(device, 0, 0x21, 2)
    expect(codes).toEqual([0x21, 0x43])
    expect(device.read(0, 1)).toBe('no-register')
    expect(device.length).toBe(2)
  })
})

describe('debug port', () => {
  it('reads E9 and passes bytes to the host', () => {
    const port = new FakePort()
    const device = new DebugPort({ port })
    expect(read(device, 0)).toBe(0xe9)
    write(device, 0, 0x4f)
    expect(port.text).toBe('O')
  })
})

describe('port 92', () => {
  it('gates A20 with bit 1 and resets on the rising edge of bit 0 only', () => {
    const a20: boolean[] = []
    let resets = 0
    const device = new Port92({ onA20: (on) => a20.push(on), onReset: () => resets++ })
    write(device, 0, 0x02)
    expect(read(device, 0)).toBe(2)
    write(device, 0, 0x03)
    write(device, 0, 0x03)
    write(device, 0, 0x00)
    expect(a20).toEqual([true, false])
    expect(resets).toBe(1)
    write(device, 0, 0x02)
    const saved = device.save()
    device.reset()
    expect(read(device, 0)).toBe(0)
    device.restore(saved)
    expect(a20.at(-1)).toBe(true)
  })
})
