import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const IMG = fileURLToPath(new URL('../../../../img/dist/cli.js', import.meta.url))

export interface ToolResult {
  readonly code: number | null
  /** Standard output and error as they came. */
  readonly output: string
}

/** Runs a program of the host to its end. */
export function tool(program: string, ...args: readonly string[]): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const take = (data: Buffer): void => void (output += data.toString())
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

/** Whether the host has a program. */
export const hasTool = (program: string): Promise<boolean> => tool(program, '--version').then(() => true, () => false)

/** entresol-img. */
export const img = (...args: readonly string[]): Promise<ToolResult> => tool(process.execPath, IMG, ...args)
