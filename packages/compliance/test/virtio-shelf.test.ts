import { describe, expect, it } from 'vitest'
import { describeSuite, findViolations, virtioSuite } from '../src/index.ts'
import { VIRTIO_BUGS, virtioSubject } from './shelf/virtio.ts'

describeSuite(virtioSuite, () => virtioSubject(), { describe, it })

describe('virtio: every broken device is rejected', () => {
  it.each(VIRTIO_BUGS)('%s', async (bug) => {
    expect(await findViolations(virtioSuite, () => virtioSubject(bug))).not.toEqual([])
  })
})
