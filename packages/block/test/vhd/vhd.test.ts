import { vpc } from '../../src/vhd/vhd.ts'
import { describeFormat } from '../mapped/laws.ts'

const MIB = 2 ** 20
/** 6 MiB and some, a size that has a geometry. */
const SIZE = 202 * 4 * 17 * 512

const common = { format: vpc, file: 'disk.vhd', peerChecks: false, largest: 2 * MIB }
describeFormat({ ...common, title: 'VHD, dynamic', options: {}, size: SIZE })
describeFormat({ ...common, title: 'VHD, dynamic, any size', options: { force_size: 'on' }, size: 5 * MIB + 512 * 3 })
describeFormat({ ...common, title: 'VHD, fixed', options: { subformat: 'fixed' }, size: SIZE })
