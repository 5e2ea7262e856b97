import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { loads } from '../src/loads.ts'
import { framed, LONGEST_LINE, readFrame } from '../src/markers.ts'
import { secondsBetween } from '../src/process.ts'
import { Session } from '../src/session.ts'

describe('markers', () => {
  test('the echo of a framed line is no marker, its run is one', () => {
    const line = framed('true', 'false')
    expect(readFrame(`${line}\r\n`)).toEqual({ begun: false })
    expect(readFrame(`${line}\r\n@begin\r\nab\r\nc`)).toEqual({ begun: true })
    expect(readFrame(`${line}\r\n@begin\r\nab\r\nc\r\n@end 3\r\n~ # `)).toEqual({ begun: true, status: 3, output: 'ab\nc' })
  })

  test('a marker that has not come whole is none yet', () => {
    expect(readFrame('@begin\r\n@end 1')).toEqual({ begun: true })
    expect(readFrame('@begi')).toEqual({ begun: false })
  })

  test('an end without a beginning is a preparation that failed', () => {
    expect(readFrame(`${framed('true', 'false')}\r\n@end 1\r\n~ # `)).toEqual({ begun: false, status: 1, output: '' })
  })

  test('every load fits the line the guest\'s shell lets one type', () => {
    for (const { command, prepare } of loads) if (command !== undefined) expect(framed(command, prepare).length).toBeLessThan(LONGEST_LINE)
  })

  test('loads have names of their own', () => {
    expect(new Set(loads.map(({ name }) => name)).size).toBe(loads.length)
  })
})

/** A shell on a pipe, with the prompt of a guest and no echo. Interrupts it understands as a byte of input do not exist here. */
const shell = { file: 'sh', args: ['-c', 'printf "\\n~ # "; while read -r line; do eval "$line"; printf "~ # "; done'] }

describe('session', () => {
  test('runs a command between its markers, and tells output and status apart', async () => {
    const { session, sample } = await Session.boot(shell, 30)
    try {
      expect(sample).toHaveProperty('value')
      expect(await session.run('cat /dev/null; echo one; echo two', 30, 'echo unseen')).toMatchObject({ output: 'one\ntwo' })
      expect(await session.run('echo why; false', 30)).toEqual({ failed: 'exit status 1: why' })
      expect(await session.run('true', 30, 'false')).toEqual({ failed: 'preparation: exit status 1' })
      expect(session.answers).toBe(true)
    } finally {
      await session.close()
    }
  })

  test('a paused machine does nothing until it goes on', async () => {
    const { session } = await Session.boot(shell, 30)
    try {
      session.pause(true)
      const running = session.run('true', 30)
      expect(await Promise.race([running, sleep(300, 'nothing yet')])).toBe('nothing yet')
      session.pause(false)
      expect(await running).toHaveProperty('value')
    } finally {
      await session.close()
    }
  })

  test('a machine that ends before its prompt says why', async () => {
    const { session, sample } = await Session.boot({ file: process.execPath, args: ['-e', "console.error('no such kernel'); process.exit(3)"] }, 30)
    await session.close()
    expect(sample).toEqual({ failed: 'the machine ended: no such kernel' })
    expect(session.answers).toBe(false)
  })

  test('a machine that is silent too long is over its limit', async () => {
    const { session, sample } = await Session.boot({ file: process.execPath, args: ['-e', 'setTimeout(() => {}, 60000)'] }, 0.2)
    await session.close()
    expect(sample).toEqual({ over: 0.2 })
  })
})

test('the time of a bare kernel is that between its own marks', async () => {
  expect(await secondsBetween({ file: 'sh', args: ['-c', 'echo BEGIN; echo END'] }, 'BEGIN', 'END', 30)).toHaveProperty('value')
})
