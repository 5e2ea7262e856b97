import { vpc } from '../../src/vhd/vhd.ts'
import { describeDifferencing } from '../mapped/differencing.ts'

describeDifferencing({
  title: 'VHD, differencing', format: vpc, ending: '.vhd', baseOptions: { force_size: 'on' }, options: {}, unit: 512, noticesChange: false,
})
