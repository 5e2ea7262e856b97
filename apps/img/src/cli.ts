#!/usr/bin/env node
import { getRandomValues } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stat, unlink } from 'node:fs/promises'
import { constants } from 'node:os'
import { nodeCodecs, nodeRemoteFiles } from '@entresol/block/node'
import type { Host } from './command.ts'
import { main } from './main.ts'

const interrupted = new AbortController()
let signalled = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second one does not wait for anything to be tidied up.
    if (signalled > 0) process.exit(128 + signalled)
    signalled = constants.signals[signal]
    interrupted.abort()
  })
}
// Who reads our output may stop to.
process.stdout.on('error', () => interrupted.abort())

const host: Host = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  terminal: process.stderr.isTTY,
  files: nodeRemoteFiles,
  codecs: nodeCodecs,
  signal: interrupted.signal,
  async allocated(path) {
    const status = await stat(path).catch(() => undefined)
    return status?.isFile() ? status.blocks * 512 : undefined
  },
  async remove(path) {
    const status = await stat(path).catch(() => undefined)
    if (status?.isFile()) await unlink(path).catch(() => {})
  },
  now: () => Date.now(),
  random: (into) => void getRandomValues(into),
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
const code = await main(process.argv.slice(2), host, version)
process.exitCode = signalled > 0 ? 128 + signalled : code
// Connections that are kept for more requests must not keep the process.
process.stdout.write('', () => process.exit())
