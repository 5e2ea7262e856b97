import { CodedError } from '@entresol/kit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/options/index.ts'
import { DRIVERS, namesOf, propertiesOf } from '../../src/options/drivers.ts'

const parse = (line: string) => parseCommandLine(line.split(' '))
const devices = (line: string) => parse(line).devices

describe('disks on the command line', () => {
  test('if=virtio drives become devices in their order, before those of -device', () => {
    const { drives, devices } = parse('-nic none -drive file=a,if=virtio -drive file=b,if=none,id=b -device virtio-blk-pci,drive=b,addr=7.1 -drive file=c,if=virtio,serial=s')
    expect(drives.map(({ id, interface: into, index }) => [id, into, index])).toEqual([['virtio0', 'virtio', 0], ['b', 'none', 0], ['virtio1', 'virtio', 1]])
    expect(devices).toMatchObject([
      { driver: 'virtio-blk', drive: 'virtio0' }, { driver: 'virtio-blk', drive: 'virtio1', serial: 's' },
      { driver: 'virtio-blk', drive: 'b', address: { slot: 7, function: 1 } }
    ])
  })

  test('the format is found by content unless it is said, and what was said of the image is kept', () => {
    expect(parse('-drive file=a,if=virtio').drives[0]).toMatchObject({ format: undefined, cache: 'writeback', discard: false, detectZeroes: 'off', throttling: undefined })
    expect(parse('-drive file=nbd://h/x,format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap,throttling.iops-total=10,throttling.iops-total-max=20').drives[0])
      .toMatchObject({
        file: 'nbd://h/x', format: 'qcow2', cache: 'unsafe', discard: true, detectZeroes: 'unmap', throttling: { limits: { 'iops-total': { rate: 10, burst: 20 } } }
      })
    expect(parse('-drive file=a,bps=5,cache=none,cache.writeback=off').drives[0]).toMatchObject({ cache: 'directsync', throttling: { limits: { 'bps-total': { rate: 5 } } } })
  })

  test('-snapshot is for every drive', () => {
    expect(parse('-hda a -snapshot -drive file=b,if=virtio').drives.map(({ snapshot }) => snapshot)).toEqual([true, true])
  })

  test('ide-hd and ide-cd put a drive into a place of IDE', () => {
    const { drives, devices } = parse('-nic none -drive file=a,if=none,id=a -device ide-cd,drive=a,bus=ide.1,unit=1 -hda b')
    expect(drives).toMatchObject([{ id: 'a', interface: 'ide', index: 3, media: 'cdrom', readOnly: true }, { id: 'ide0-hd0', index: 0 }])
    expect(devices).toEqual([])
  })

  test('-blockdev in one step, in two, and as JSON mean the same', () => {
    const device = '-device virtio-blk-pci,drive=d'
    const of = (...blockdevs: string[]) => parseCommandLine([...blockdevs.flatMap(text => ['-blockdev', text]), ...device.split(' ')]).drives.find(({ id }) => id === 'd')
    const one = of('qcow2,node-name=d,read-only=on,file.driver=file,file.filename=a,,b')
    expect(one).toMatchObject({ file: 'a,b', format: 'qcow2', interface: 'none', readOnly: true })
    expect(of('driver=file,node-name=f,filename=a,,b', 'driver=qcow2,node-name=d,file=f,read-only=on')).toEqual({ ...one, option: expect.any(String), index: 1 })
    expect(of(JSON.stringify({ driver: 'qcow2', 'node-name': 'd', 'read-only': true, file: { driver: 'file', filename: 'a,b' } }))).toEqual({ ...one, option: expect.any(String) })
    expect(of('raw,node-name=d,file.driver=nbd,file.server.type=inet,file.server.host=h,file.server.port=1,file.export=e')?.file).toBe('nbd://h:1/e')
  })
})

describe('networks on the command line', () => {
  test('pc has a virtio card on a user network unless something is said; microvm has none', () => {
    expect(parse('-S')).toMatchObject({ netdevs: [{ kind: 'user', id: 'net0', network: {} }], devices: [{ driver: 'virtio-net', netdev: 'net0' }] })
    for (const line of ['-nodefaults', '-nic none', '-net none', '-machine microvm']) expect(parse(line)).toMatchObject({ netdevs: [], devices: [] })
    expect(devices('-netdev user,id=n -device virtio-net-pci,netdev=n')).toHaveLength(1)
    expect(devices('-device e1000')).toMatchObject([{ driver: 'e1000', netdev: undefined }])
  })

  test('-nic is a card with its network, and -net nic -net user are one', () => {
    expect(parse('-nic user,model=e1000,mac=52:54:00:00:00:01,hostfwd=tcp::2222-:22,hostfwd=udp:127.0.0.1:53-10.0.2.16:53,restrict=on')).toMatchObject({
      netdevs: [{
        kind: 'user', id: 'net0', network: { restrict: true }, hostForwards: [
          { protocol: 'tcp', hostAddress: undefined, hostPort: 2222, guestAddress: undefined, guestPort: 22 },
          { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 53, guestAddress: '10.0.2.16', guestPort: 53 }
        ]
      }],
      devices: [{ driver: 'e1000', netdev: 'net0', mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1) }]
    })
    expect(parse('-net nic,model=rtl8139 -net user,net=192.168.76.0/24')).toMatchObject({
      netdevs: [{ kind: 'user', network: { net: '192.168.76.0/24' } }], devices: [{ driver: 'rtl8139' }]
    })
    expect(parse('-nic user -nic user').devices).toMatchObject([{ netdev: 'net0' }, { netdev: 'net1' }])
  })

  test('IPv6, names and links', () => {
    expect(parse('-netdev user,id=n,ipv6=off,ipv6-prefix=fd00::,hostname=h,dnssearch=a,dnssearch=b').netdevs)
      .toMatchObject([{ network: { ipv6: false, ipv6Net: 'fd00::/64', hostname: 'h', dnssearch: ['a', 'b'] } }])
    expect(parse('-netdev socket,id=n,connect=[::1]:99 -netdev hubport,id=p,hubid=3,vlan=7,netdev=n').netdevs)
      .toMatchObject([{ kind: 'socket', mode: 'connect', address: { host: '::1', port: 99 } }, { kind: 'hubport', hub: 3, vlan: 7, netdev: 'n' }])
  })
})

describe('other devices on the command line', () => {
  test('ports go to the virtio-serial device before them, or the one they name', () => {
    expect(devices('-nic none -chardev null,id=c -device virtio-serial-pci,id=a -device virtio-serial -device virtconsole -device virtserialport,chardev=c,name=p,bus=a.0')).toMatchObject([
      { driver: 'virtio-serial', id: 'a', ports: [{ console: false, name: 'p', character: { kind: 'null' } }] },
      { driver: 'virtio-serial', ports: [{ console: true }] }
    ])
  })

  test('-virtfs is a folder and its device', () => {
    expect(parse('-nic none -virtfs local,path=/srv,mount_tag=t,security_model=none,readonly=on')).toMatchObject({
      shares: [{ id: 't', path: '/srv', readOnly: true, passOwners: false }], devices: [{ driver: 'virtio-9p', share: 't', mountTag: 't' }]
    })
  })

  test('every driver and every property of it is in the help', () => {
    const list = parse('-device help').print ?? ''
    for (const driver of DRIVERS) {
      const [name] = namesOf(driver)
      expect(list).toContain(`  ${name}`)
      const help = parse(`-device ${name},help`).print ?? ''
      for (const property of Object.keys(propertiesOf(driver))) expect(help).toContain(`\n  ${property} `)
    }
  })

  test('whatever is typed of drives and devices gives a configuration or one line', () => {
    const names = DRIVERS.flatMap(namesOf)
    const keys = DRIVERS.flatMap(driver => Object.keys(propertiesOf(driver)))
    const value = fc.oneof(fc.constantFrom('on', 'off', '0', '1', '512', 'd', 'n', 'c', '', '5.0', '52:54:00:00:00:01', 'help', '99999999999999999999'), fc.string())
    const properties = fc.array(fc.tuple(fc.constantFrom(...keys), value), { maxLength: 4 }).map(pairs => pairs.map(([k, v]) => `,${k}=${v}`).join(''))
    const option = fc.oneof(
      fc.tuple(fc.constantFrom(...names), properties).map(([name, text]) => ['-device', name + text]),
      fc.tuple(fc.constantFrom('-drive', '-netdev', '-nic', '-net', '-chardev', '-object', '-fsdev', '-virtfs', '-blockdev', '-serial'), fc.oneof(
        fc.string(), fc.constantFrom('file=d,id=d,if=none', 'user,id=n', 'null,id=c', 'nic', 'user', '{', '{"a":1}', 'socket,listen=:1', 'tap,ifname=t,id=t', 'hubport,id=h')
      )).map(pair => [...pair])
    )
    fc.assert(fc.property(fc.array(option, { maxLength: 5 }), options => {
      try {
        parseCommandLine(options.flat())
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        expect(error.message).not.toContain('\n    at ')
      }
    }), { numRuns: 2000 })
  })
})
