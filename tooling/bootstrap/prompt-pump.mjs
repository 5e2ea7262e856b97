// Feeds piped input to a shell behind a terminal line by line, the way a person does: read the prompt, type one line, read the answer.
// A terminal's input queue is short and a kernel that is still booting throws input away, so nothing is sent before a prompt is seen.
import { createInterface } from 'node:readline'

/** A busybox or bash prompt: a directory or user@host:directory without blanks, then `#` or `$` and a blank. */
const PROMPT = /(?:^|[\r\n])(?:~|\/|[\w.-]+@)\S* ?[#$] /
/** Escape sequences (ECMA-48 control sequences): colours, cursor requests. */
const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]/g
const END_OF_TRANSMISSION = '\x04'
/** A command that reads its own input shows no prompt; after this much silence the next line is for it. */
const SILENCE_MS = 5000

/** Finds a prompt in a stream of output; `clear` forgets what was seen, so that only a new one counts. */
export class PromptWatcher {
  #seen = ''
  #waiting = undefined

  /** Takes more output of the terminal. */
  push(text) {
    this.#seen = (this.#seen + text).replace(ESCAPES, '').slice(-4096)
    this.#waiting?.(PROMPT.test(this.#seen))
  }

  clear() {
    this.#seen = ''
  }

  /** Resolves when a prompt has been seen since the last `clear`, or after `silence` ms without any output. */
  prompt(silence = Infinity) {
    return new Promise(resolve => {
      let timer
      this.#waiting = prompted => {
        clearTimeout(timer)
        if (prompted) {
          this.#waiting = undefined
          resolve()
        } else if (silence !== Infinity) timer = setTimeout(resolve, silence)
      }
      this.#waiting(PROMPT.test(this.#seen))
    })
  }
}

/**
 * Waits for the guest's prompt, then sends `input` line by line, each after the prompt that follows the line before it (or after
 * `silence` ms without output). The end of the input is what it is on a terminal: Ctrl-D on an empty line.
 */
export async function pump(input, watcher, guest, silence = SILENCE_MS) {
  await watcher.prompt()
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (!send(line + '\n')) return
    await watcher.prompt(silence)
  }
  await watcher.prompt(silence)
  // Ctrl-D ends the command that reads, then the shell: one for each prompt that still comes.
  while (send(END_OF_TRANSMISSION)) await watcher.prompt()

  function send(text) {
    watcher.clear()
    if (guest.writable) guest.write(text)
    return guest.writable
  }
}
