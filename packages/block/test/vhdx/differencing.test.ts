import { vhdx } from '../../src/vhdx/vhdx.ts'
import { describeDifferencing } from '../mapped/differencing.ts'

describeDifferencing({
  title: 'VHDX, differencing', format: vhdx, ending: '.vhdx', baseOptions: { block_size: '1M' }, options: { block_size: '1M' }, unit: 512, noticesChange: true,
})
