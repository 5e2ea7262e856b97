import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { PromptWatcher, pump } from '../prompt-pump.mjs'

/** A shell behind a terminal: echoes what it is sent, answers and prompts after every line. Ctrl-D ends it. */
class FakeShell {
  readonly received: string[] = []
  readonly input = new PassThrough()
  readonly watcher: PromptWatcher = new PromptWatcher()
  readonly ended: Promise<void>

  constructor(answer: (line: string) => string) {
    this.ended = new Promise(resolve => this.input.setEncoding('utf8').on('data', (text: string) => {
      this.received.push(text)
      if (text === '\x04') resolve()
      else setTimeout(() => this.watcher.push(`${text.replace('\n', '\r\n')}${answer(text)}`), 5)
    }))
  }
}

const prompt = '\r\n~ # '

describe('piped input', () => {
  test('is not sent before the first prompt', async () => {
    const shell = new FakeShell(() => prompt)
    void pump(Readable.from(['uname\n']), shell.watcher, shell.input)
    shell.watcher.push('[    0.000000] Linux version 6.12.0 # 1 SMP\r\n')
    await new Promise(resolve => setTimeout(resolve, 30))
    expect(shell.received).toEqual([])
    shell.watcher.push(prompt)
    await shell.ended
    expect(shell.received).toEqual(['uname\n', '\x04'])
  })

  test('goes line by line, each after the answer to the one before, and ends with Ctrl-D', async () => {
    const seen: string[] = []
    const shell = new FakeShell(line => {
      seen.push(line)
      return `answer to ${line}${prompt}`
    })
    shell.watcher.push(prompt)
    void pump(Readable.from(['one\ntwo\nthree']), shell.watcher, shell.input)
    await shell.ended
    expect(shell.received).toEqual(['one\n', 'two\n', 'three\n', '\x04'])
    expect(seen).toEqual(['one\n', 'two\n', 'three\n'])
  })

  test('reaches a command that reads it, which shows no prompt', async () => {
    const shell = new FakeShell(line => line === 'end\n' ? prompt : '')
    shell.watcher.push(prompt)
    void pump(Readable.from(['cat\nend\n']), shell.watcher, shell.input, 30)
    await shell.ended
    expect(shell.received).toEqual(['cat\n', 'end\n', '\x04'])
  })
})

describe('a prompt', () => {
  const shows = async (text: string): Promise<boolean> => {
    const watcher = new PromptWatcher()
    watcher.push(text)
    return Promise.race([watcher.prompt().then(() => true), new Promise<boolean>(resolve => setTimeout(() => resolve(false), 5))])
  }

  test.each(['~ # ', '\r\n/ # ', '\n/usr/bin $ ', '\r\n\x1b[1;32m~ # \x1b[m\x1b[6n', '\r\nroot@debian:~# ', '\r\n~ # [   12.3] crng init done'])('is seen in %j', async text => {
    expect(await shows(text)).toBe(true)
  })

  test.each(['', 'Linux # ', 'echo ~ # ', '~ #', '[    0.1] Linux version #1 SMP'])('is not seen in %j', async text => {
    expect(await shows(text)).toBe(false)
  })
})
