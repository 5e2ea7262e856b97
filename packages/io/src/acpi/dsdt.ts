import { pirqOf } from '../pci/pci-bus.ts'
import { PIRQ_COUNT, SLOTS_PER_BUS } from '../pci/spec.ts'
import {
  type Aml, and, argument, createDwordField, device, eisaId, field, ifElse, integer, join, method, named, operationRegion, or, path, PCI_CONFIG, pkg, returns,
  scope, store, string, ZERO
} from './aml.ts'
import type { AcpiMachine } from './machine.ts'
import { dwordMemory, io, irq, levelInterrupt, memory32Fixed, qwordMemory, resourceTemplate, wordBusNumber, wordIo } from './resources.ts'
import { SLEEP_TYPE_S5 } from './spec.ts'

const LINKS = ['LNKA', 'LNKB', 'LNKC', 'LNKD'] as const
const ROUTES = ['PRQA', 'PRQB', 'PRQC', 'PRQD'] as const
/** IRQs no ISA device of the board uses. */
const LINK_IRQS = [5, 10, 11] as const

/** The DSDT's definition block: PCI root with interrupt routing, ISA devices, motherboard resources, S5. */
export function dsdtBody(machine: AcpiMachine): Aml {
  if (machine.hardwareReduced === true) return scope('\\_SB', ...serialPorts(machine), ...virtioMmio(machine))
  return join(
    named('\\PICF', ZERO),
    method('\\_PIC', 1, false, store(argument(0), path('\\PICF'))),
    named('\\_S5', pkg([integer(SLEEP_TYPE_S5), integer(SLEEP_TYPE_S5), ZERO, ZERO])),
    scope('\\_SB', pciRoot(machine), ...LINKS.map(link), motherboard(machine), ...(machine.hpetBase === undefined ? [] : [hpet(machine.hpetBase)]))
  )
}

function pciRoot(machine: AcpiMachine): Aml {
  const windows = machine.pciWindows.map(({ base, length }) => (base + length <= 2 ** 32 ? dwordMemory(base, length) : qwordMemory(base, length)))
  return device('PCI0',
    named('_HID', eisaId('PNP0A03')),
    named('_UID', ZERO),
    named('_BBN', ZERO),
    named('_CRS', resourceTemplate(
      wordBusNumber(0, machine.ecam?.buses ?? 256), io(0xcf8, 8), wordIo(0, 0xcf8), wordIo(0xd00, 0xf300), dwordMemory(0xa0000, 0x20000), ...windows
    )),
    routingTable(machine),
    isaBridge(machine)
  )
}

/** _PRT: link devices for the 8259A, fixed I/O APIC pins once the system has chosen them with _PIC. */
function routingTable(machine: AcpiMachine): Aml {
  const gsi = machine.pirqGsiBase ?? 16
  const rows = (source: (pirq: number) => readonly Aml[]): Aml => pkg(
    Array.from({ length: (SLOTS_PER_BUS - 1) * PIRQ_COUNT }, (_, index) => {
      const slot = 1 + (index >> 2)
      const pin = index & 3
      return pkg([integer((slot * 2 ** 16) + 0xffff), integer(pin), ...source(pirqOf(slot, pin))])
    })
  )
  return join(
    named('PRTP', rows((pirq) => [path(`\\_SB.${LINKS[pirq]}`), ZERO])),
    named('PRTA', rows((pirq) => [ZERO, integer(gsi + pirq)])),
    method('_PRT', 0, false, ifElse(path('\\PICF'), [returns(path('PRTA'))]), returns(path('PRTP')))
  )
}

/** One PIRQ of the PIIX3: bit 7 of its route register disables, the low nibble is the IRQ. */
function link(name: string, index: number): Aml {
  const route = path(`\\_SB.PCI0.ISA.${ROUTES[index]}`)
  return device(name,
    named('_HID', eisaId('PNP0C0F')),
    named('_UID', integer(index)),
    named('_PRS', resourceTemplate(levelInterrupt(...LINK_IRQS))),
    named('RES', resourceTemplate(levelInterrupt(0))),
    createDwordField(path('RES'), 5, 'IRQN'),
    method('_STA', 0, false, ifElse(and(route, integer(0x80)), [returns(integer(0x09))]), returns(integer(0x0b))),
    method('_DIS', 0, false, or(route, integer(0x80), route)),
    method('_CRS', 0, true, ifElse(and(route, integer(0x80)), [store(ZERO, path('IRQN'))], [and(route, integer(0x0f), path('IRQN'))]), returns(path('RES'))),
    method('_SRS', 1, true, createDwordField(argument(0), 5, 'IRQS'), store(path('IRQS'), route))
  )
}

function isaBridge(machine: AcpiMachine): Aml {
  const isa = (name: string, id: string, ...resources: readonly Aml[]): Aml => device(name, named('_HID', eisaId(id)), named('_CRS', resourceTemplate(...resources)))
  const devices: Aml[] = [
    isa('PIT', 'PNP0100', io(0x40, 4), irq(0)),
    isa('RTC', 'PNP0B00', io(0x70, 2), irq(8)),
    isa('SPKR', 'PNP0800', io(0x61, 1))
  ]
  if (machine.pic !== false) devices.push(isa('PIC', 'PNP0000', io(0x20, 2), io(0xa0, 2), io(0x4d0, 2), irq(2)))
  if (machine.i8042 === true) {
    devices.push(isa('KBD', 'PNP0303', io(0x60, 1), io(0x64, 1), irq(1)), isa('MOU', 'PNP0F13', irq(12)))
  }
  return device('ISA',
    named('_ADR', integer(0x0001_0000)),
    operationRegion('PIRQ', PCI_CONFIG, 0x60, 4),
    field('PIRQ', 1, ROUTES.map((name) => [name, 8] as const)),
    ...devices,
    ...serialPorts(machine)
  )
}

function serialPorts(machine: AcpiMachine): Aml[] {
  return (machine.serial ?? []).map(({ port, irq: line }, index) => device(`COM${index + 1}`,
    named('_HID', eisaId('PNP0501')),
    named('_UID', integer(index + 1)),
    named('_CRS', resourceTemplate(io(port, 8), irq(line)))
  ))
}

/** LNRO0005 is what Linux's and QEMU's tables call a virtio-mmio device. */
function virtioMmio(machine: AcpiMachine): Aml[] {
  return (machine.virtioMmio ?? []).map(({ base, length, gsi }, index) => device(`VR${String(index).padStart(2, '0')}`,
    named('_HID', string('LNRO0005')),
    named('_UID', integer(index)),
    named('_CRS', resourceTemplate(memory32Fixed(base, length), levelInterrupt(gsi)))
  ))
}

/** Addresses that are taken without a device of their own: the PM block, APM, and ECAM, which Linux wants reserved before it trusts MCFG. */
function motherboard(machine: AcpiMachine): Aml {
  const resources = [io(machine.pmBase ?? 0x600, 0x40), io(0xb2, 2)]
  if (machine.ecam !== undefined) resources.push(memory32Fixed(machine.ecam.base, machine.ecam.buses * 2 ** 20))
  return device('MBRD', named('_HID', eisaId('PNP0C02')), named('_UID', string('MBRD')), named('_CRS', resourceTemplate(...resources)))
}

function hpet(base: number): Aml {
  return device('HPET', named('_HID', eisaId('PNP0103')), named('_UID', ZERO), named('_CRS', resourceTemplate(memory32Fixed(base, 0x400))))
}
