import { vdi } from '../../src/vdi/vdi.ts'
import { describeFormat } from '../mapped/laws.ts'

const MIB = 2 ** 20

describeFormat({ title: 'VDI, dynamic', format: vdi, file: 'disk.vdi', options: {}, size: 6 * MIB + 512 * 7, peerChecks: true, largest: 2 * MIB })
describeFormat({ title: 'VDI, static', format: vdi, file: 'disk.vdi', options: { static: 'on' }, size: 3 * MIB, peerChecks: true, largest: MIB })
