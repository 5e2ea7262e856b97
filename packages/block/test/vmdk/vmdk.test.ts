import { vmdk } from '../../src/vmdk/vmdk.ts'
import { describeDifferencing } from '../mapped/differencing.ts'
import { describeFormat } from '../mapped/laws.ts'

const MIB = 2 ** 20

const common = { format: vmdk, file: 'disk.vmdk', peerChecks: true, largest: MIB }
describeFormat({ ...common, title: 'VMDK, monolithicSparse', options: {}, size: 6 * MIB + 512 * 3 })
describeFormat({ ...common, title: 'VMDK, monolithicSparse with zeroed grains', options: { zeroed_grain: 'on' }, size: 5 * MIB })
describeFormat({ ...common, title: 'VMDK, monolithicFlat', options: { subformat: 'monolithicFlat' }, size: 4 * MIB })
describeFormat({ ...common, title: 'VMDK, twoGbMaxExtentSparse', options: { subformat: 'twoGbMaxExtentSparse' }, size: 6 * MIB })

describeDifferencing({ title: 'VMDK, a difference', format: vmdk, ending: '.vmdk', baseOptions: {}, options: {}, unit: 65536, noticesChange: true })
describeDifferencing({
  title: 'VMDK, a difference with zeroed grains', format: vmdk, ending: '.vmdk', baseOptions: {}, options: { zeroed_grain: 'on' }, unit: 65536, noticesChange: true,
})
