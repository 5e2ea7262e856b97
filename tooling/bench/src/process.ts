import { spawn } from 'node:child_process'
import type { Command, Sample } from './peer.ts'

/** First line a program prints, or undefined when it cannot run or fails. */
export function firstLine(file: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise(resolve => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.once('error', () => resolve(undefined))
    child.once('close', code => resolve(code === 0 ? output.split('\n')[0] : undefined))
  })
}

/** Seconds between the first `from` and the first `to` behind it in a command's output, so that starting it does not count. */
export function secondsBetween({ file, args }: Command, from: string, to: string, limit: number): Promise<Sample> {
  return new Promise(resolve => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    let sample: Sample | undefined
    let started: number | undefined
    let output = ''
    const stop = (result: Sample): void => {
      sample ??= result
      child.kill('SIGKILL')
    }
    const timer = setTimeout(() => stop({ over: limit }), limit * 1000)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (started === undefined && output.includes(from)) started = performance.now()
      if (started !== undefined && output.includes(to)) stop({ value: (performance.now() - started) / 1000 })
    })
    child.once('error', error => stop({ failed: error.message }))
    child.once('close', code => {
      clearTimeout(timer)
      resolve(sample ?? { failed: `ended with ${code} before it was done` })
    })
  })
}
