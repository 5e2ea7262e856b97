import { EXT_FCW, EXT_FSW, EXT_FTW, EXT_MXCSR, EXT_ST, EXT_YMM } from './case.ts'
import type { Outcome, Subject, TestCase } from './case.ts'

const GPR = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15']

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Where `actual` differs from `expected`, one line each; empty when it does not. Vector files and fuzzing judge by this. */
export function differences(expected: Outcome, actual: Outcome, undefinedFlags = 0): string[] {
  const lines: string[] = []
  const note = (name: string, a: unknown, b: unknown): void => {
    if (a !== b) lines.push(`${name}: expected ${String(a)}, got ${String(b)}`)
  }
  const fault = ({ kind, fault: f }: Outcome): string => f ? `#${f.vector} error ${f.errorCode}${f.address === undefined ? '' : ` at 0x${f.address.toString(16)}`}` : kind
  note('outcome', fault(expected), fault(actual))
  for (let i = 0; i < 16; i++) note(GPR[i] as string, `0x${expected.gpr[i]?.toString(16)}`, `0x${actual.gpr[i]?.toString(16)}`)
  note('rip', `0x${expected.rip.toString(16)}`, `0x${actual.rip.toString(16)}`)
  note('rflags', ((expected.rflags & ~undefinedFlags) >>> 0).toString(16), ((actual.rflags & ~undefinedFlags) >>> 0).toString(16))
  for (const name of ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'fsBase', 'gsBase'] as const) note(name, expected.segments[name], actual.segments[name])
  const part = (name: string, at: number, size: number): void => {
    for (let i = at; i < at + size; i++) {
      if (expected.extended[i] === actual.extended[i]) continue
      note(name, hex(expected.extended.subarray(at, at + size)), hex(actual.extended.subarray(at, at + size)))
      return
    }
  }
  part('fcw', EXT_FCW, 2)
  part('fsw', EXT_FSW, 2)
  part('ftw', EXT_FTW, 1)
  part('mxcsr', EXT_MXCSR, 4)
  for (let i = 0; i < 8; i++) part(`st${i}`, EXT_ST + 10 * i, 10)
  for (let i = 0; i < 16; i++) part(`ymm${i}`, EXT_YMM + 32 * i, 32)
  const memory = ({ memory: pieces }: Outcome): string => flatten(pieces)
  note('memory', memory(expected), memory(actual))
  return lines
}

/** Pieces as ascending "address:bytes" runs, adjacent ones joined: the cut into pieces is no part of the outcome. */
function flatten(pieces: Outcome['memory']): string {
  let text = ''
  let end = -1
  for (const { address, bytes } of pieces) {
    text += address === end ? hex(bytes) : `${text ? ' ' : ''}${address.toString(16)}:${hex(bytes)}`
    end = address + bytes.length
  }
  return text
}

/** A case as a person wants to read it in a failure report. */
export function describeCase(testCase: TestCase): string {
  const registers = Array.from(testCase.gpr, (value, i) => (value ? `${GPR[i]}=${value.toString(16)}` : '')).filter(Boolean).join(' ')
  return `${testCase.mode}-bit ${hex(testCase.code)} at ${(testCase.codeAddress ?? 0x10_0800).toString(16)}, rflags ${testCase.rflags.toString(16)}, ${registers}`
}

export function check(subject: Subject, testCase: TestCase, expected: Outcome, undefinedFlags = 0): string[] {
  return differences(expected, subject.run(testCase), undefinedFlags)
}
