import { VIRTIO_FEATURE as F, VIRTIO_MMIO as R } from '@entresol/compliance'
import type { CharacterPort } from '@entresol/interfaces'
import { describe, expect, it } from 'vitest'
import * as spec from '../../src/console/spec.ts'
import { VirtioConsole } from '../../src/console/virtio-console.ts'
import { plug } from '../support/plug.ts'

/** The host's end: keeps what the guest did not take. */
class HostEnd implements CharacterPort {
  text = ''
  #kept: number[] = []
  #listener: (bytes: Uint8Array) => number = () => 0

  write(bytes: Uint8Array): void {
    this.text += String.fromCharCode(...bytes)
  }

  onData(listener: (bytes: Uint8Array) => number): void {
    this.#listener = listener
  }

  resume(): void {
    this.#kept.splice(0, this.#listener(Uint8Array.from(this.#kept)))
  }

  send(text: string): void {
    this.#kept.push(...[...text].map((c) => c.charCodeAt(0)))
    this.resume()
  }

  get left(): number {
    return this.#kept.length
  }
}

const message = (id: number, event: number, value: number): { readable: Uint8Array } => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, id, true)
  bytes.set([event, 0, value, 0], 4)
  return { readable: bytes }
}

function started(multiport: boolean) {
  const ends = [new HostEnd(), new HostEnd()]
  const device = new VirtioConsole({ ports: [{ port: ends[0]! }, { port: ends[1]!, name: 'org.test' }], columns: 100, rows: 30 })
  const { driver, mmio } = plug(device)
  const queues = driver.open(driver.offered & ~(F.packed | (multiport ? 0n : spec.F_MULTIPORT)))
  const send = (queue: number, ...bytes: number[]): void => {
    queues[queue]!.add([{ readable: Uint8Array.from(bytes) }])
    driver.notify(queues[queue]!)
  }
  const tell = (id: number, event: number, value: number): void => {
    queues[spec.QUEUE_CONTROL_TRANSMIT]!.add([message(id, event, value)])
    driver.notify(queues[spec.QUEUE_CONTROL_TRANSMIT]!)
  }
  const room = (queue: number, bytes = 64): void => {
    queues[queue]!.add([{ writable: bytes }])
    driver.notify(queues[queue]!)
  }
  const told = (): string[] => queues[spec.QUEUE_CONTROL_RECEIVE]!.collect().map(({ data, written }) =>
    `${data[0]}: ${data[4]} ${data[6]} ${String.fromCharCode(...data.subarray(8, written))}`.trim())
  return { ends, device, driver, mmio, queues, send, tell, room, told }
}

const text = (data: Uint8Array, length: number): string => String.fromCharCode(...data.subarray(0, length))

describe('virtio-console (virtio 1.2, 5.3)', () => {
  it('without multiport is one open port', () => {
    const { ends, queues, send, room } = started(false)
    send(1, 0x68, 0x69)
    expect(ends[0]!.text).toBe('hi')
    ends[0]!.send('hello')
    expect(ends[0]!.left).toBe(5)
    room(0, 3)
    room(0, 10)
    expect(queues[0]!.collect().map(({ data, written }) => text(data, written))).toEqual(['hel', 'lo'])
    expect(ends[0]!.left).toBe(0)
  })

  it('introduces its ports to a multiport driver', () => {
    const { tell, room, told } = started(true)
    for (let i = 0; i < 12; i++) room(spec.QUEUE_CONTROL_RECEIVE)
    tell(0xffff_ffff, spec.EVENT_DEVICE_READY, 1)
    expect(told()).toEqual(['0: 1 1', '1: 1 1'])
    tell(0, spec.EVENT_PORT_READY, 1)
    expect(told().slice(0, 2)).toEqual([`0: ${spec.EVENT_CONSOLE_PORT} 1`, `0: ${spec.EVENT_PORT_OPEN} 1`])
    tell(1, spec.EVENT_PORT_READY, 1)
    expect(told()).toEqual([`1: ${spec.EVENT_PORT_NAME} 1 org.test`, `1: ${spec.EVENT_PORT_OPEN} 1`])
  })

  it('keeps messages until the driver has room for them', () => {
    const { tell, room, told } = started(true)
    tell(0, spec.EVENT_DEVICE_READY, 1)
    expect(told()).toEqual([])
    room(spec.QUEUE_CONTROL_RECEIVE)
    room(spec.QUEUE_CONTROL_RECEIVE)
    expect(told()).toEqual(['0: 1 1', '1: 1 1'])
  })

  it('gives a port nothing before the guest opened it', () => {
    const { ends, queues, tell, room } = started(true)
    room(4)
    ends[1]!.send('early')
    expect(ends[1]!.left).toBe(5)
    tell(1, spec.EVENT_PORT_OPEN, 1)
    expect(queues[4]!.collect().map(({ data, written }) => text(data, written))).toEqual(['early'])
  })

  it('says what size the terminal has, and when that changes', () => {
    const { device, driver, mmio, room, told } = started(true)
    expect([mmio.read(R.config, 2), mmio.read(R.config + 2, 2)]).toEqual([100, 30])
    room(spec.QUEUE_CONTROL_RECEIVE)
    const before = driver.get(R.configGeneration)
    device.resize(120, 40)
    expect(driver.get(R.configGeneration)).not.toBe(before)
    expect(driver.interrupts() & 2).toBe(2)
    expect([mmio.read(R.config, 2), mmio.read(R.config + 2, 2)]).toEqual([120, 40])
    expect(told()).toEqual([`0: ${spec.EVENT_RESIZE} 0 \u0078\0(\0`])
  })

  it('writes an emergency character before a driver is there', () => {
    const end = new HostEnd()
    const { mmio } = plug(new VirtioConsole({ ports: [{ port: end }] }))
    mmio.write(R.config + spec.CONFIG_EMERGENCY_WRITE, 4, 0x21)
    expect(end.text).toBe('!')
  })

  it('bounds the messages of a driver that asks again and again', () => {
    const { tell, queues, driver, mmio } = started(true)
    for (let i = 0; i < 2000; i++) {
      tell(0, spec.EVENT_DEVICE_READY, 1)
      queues[spec.QUEUE_CONTROL_TRANSMIT]!.collect()
    }
    expect((mmio.save().core.device as { messages: unknown[] }).messages.length).toBeLessThan(200)
    expect(driver.needsReset).toBe(false)
  })
})
