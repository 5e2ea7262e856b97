import { FORMAT, QUIET, SHARED, badUsage } from '../arguments.ts'
import type { Command } from '../command.ts'
import { CodedError } from '@entresol/kit'
import { withImage } from '../images.ts'
import { snapshotList } from './snapshot-list.ts'

export const snapshotCommand: Command = {
  name: 'snapshot',
  operands: 'filename',
  summary: 'list, make, apply and delete internal snapshots',
  options: [
    { flags: ['-l'], help: 'list them (what happens without an option)' },
    { flags: ['-a'], argument: 'snapshot', help: 'set the disk back to a snapshot' },
    { flags: ['-c'], argument: 'snapshot', help: 'make one' },
    { flags: ['-d'], argument: 'snapshot', help: 'delete one' },
    FORMAT, QUIET, SHARED,
  ],
  async run(given, host) {
    const [path] = given.exactly('image file name')
    const actions = ['-l', '-a', '-c', '-d'].filter((flag) => given.has(flag))
    if (actions.length > 1) throw badUsage(`cannot mix ${actions.join(' and ')}`)
    const [action = '-l'] = actions
    const name = given.value(action) ?? ''
    await withImage(host, path!, { format: given.value('-f'), readOnly: action === '-l', shared: given.has('-U') }, async (image) => {
      const { snapshots } = image
      if (snapshots === undefined) throw new CodedError('unsupported', `${path}: images of format ${image.format} have no snapshots`)
      if (action === '-l') {
        if (snapshots.list().length > 0) host.out(snapshotList(snapshots.list()))
        return
      }
      const now = host.now()
      if (action === '-c') await snapshots.create(name, { seconds: Math.floor(now / 1000), nanoseconds: now % 1000 * 1_000_000 })
      if (action === '-a') await snapshots.apply(name)
      if (action === '-d') await snapshots.delete(name)
      await image.flush()
    })
    return 0
  },
}
