import { vhdx } from '../../src/vhdx/vhdx.ts'
import { describeFormat } from '../mapped/laws.ts'

const MIB = 2 ** 20

const common = { format: vhdx, file: 'disk.vhdx', peerChecks: true, largest: 2 * MIB }
describeFormat({ ...common, title: 'VHDX, dynamic', options: { block_size: '1M' }, size: 6 * MIB + 512 * 3 })
describeFormat({ ...common, title: 'VHDX, fixed', options: { subformat: 'fixed', block_size: '2M', log_size: '2M' }, size: 5 * MIB })
