import { CodedError } from '@entresol/kit'
import { PF } from './memory/fault.ts'
import * as L from './state/layout.ts'
import type { TraceSubject, VcpuTrace } from './trace.ts'

/** What a log can hold: instructions, exceptions and interrupts, address translation, translated code that is made, and that is dropped. */
export const TRACE_ITEMS = ['exec', 'int', 'mmu', 'translate', 'invalidate'] as const
export type TraceItem = typeof TRACE_ITEMS[number]

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0')
const wide = (value: bigint): string => hex(value, 16)

const place = ({ state }: TraceSubject): string => `${hex(state.selector(L.SEG_CS), 4)}:${wide(state.rip)}`

/** Page-fault error code in words (SDM vol. 3, 5.7). */
function pageFaultWords(code: number): string {
  const words = [code & 1 ? 'protection' : 'not present', code & 16 ? 'fetch' : code & 2 ? 'write' : 'read', code & 4 ? 'user' : 'supervisor']
  if (code & 8) words.push('reserved bit')
  return words.join(', ')
}

/**
 * A trace that writes one line (without its newline) per happening. The lines of `int` are those of QEMU's `-d int`: running number, vector, error
 * code, whether by INT n, CPL, CS:RIP, linear RIP, SS:RSP, then CR2 of a page fault or else RAX; the CPU's number follows. `symbol` names places of
 * translated code. Throws `unknown-trace-item`.
 */
export function createTraceLog(items: readonly TraceItem[], write: (line: string) => void, symbol?: (rip: bigint) => string | undefined): VcpuTrace {
  const unknown = items.find((item) => !TRACE_ITEMS.includes(item))
  if (unknown !== undefined) throw new CodedError('unknown-trace-item', `'${String(unknown)}' cannot be traced: there are ${TRACE_ITEMS.join(', ')}`)
  const interrupts = items.includes('int')
  const mmu = items.includes('mmu')
  let number = 0
  const event: VcpuTrace['event'] = (vcpu, { vector, errorCode, kind, returnRip }) => {
    const { state, id } = vcpu
    const code = hex(Math.max(0, errorCode), 4)
    const fault = vector === PF && kind === 'fault'
    if (interrupts) {
      const ip = `IP=${hex(state.selector(L.SEG_CS), 4)}:${wide(returnRip)} pc=${wide(BigInt.asUintN(64, state.segBase(L.SEG_CS) + returnRip))}`
      const sp = `SP=${hex(state.selector(L.SEG_SS), 4)}:${wide(state.gpr(4))}`
      const last = fault ? `CR2=${wide(state.u64(L.CR2))}` : `RAX=${wide(state.gpr(0))}`
      const software = kind.startsWith('software') || kind === 'icebp' ? 1 : 0
      write(`${String(number++).padStart(6)}: v=${hex(vector, 2)} e=${code} i=${software} cpl=${state.cpl} ${ip} ${sp} ${last} cpu=${id}`)
    }
    if (mmu && fault) write(`mmu: cpu=${id} page fault at ${wide(state.u64(L.CR2))} e=${code} (${pageFaultWords(errorCode)}) from ${place(vcpu)}`)
  }
  const named = (rip: bigint): string => [wide(rip), symbol?.(rip) ?? []].flat().join(' ')
  return {
    ...(items.includes('translate') ? {
      translated: ({ id }, { rip, pages, blocks, instructions, bytes, milliseconds }) =>
        write(`translate: cpu=${id} pages=${pages} blocks=${blocks} instructions=${instructions} bytes=${bytes} ms=${milliseconds.toFixed(2)} ${named(rip)}`),
    } satisfies VcpuTrace : {}),
    ...(items.includes('invalidate') ? {
      dropped: ({ id }, why, rip) => write(`invalidate: cpu=${id} ${why}${rip === undefined ? '' : ` ${named(rip)}`}`),
    } satisfies VcpuTrace : {}),
    ...(interrupts || mmu ? { event } : {}),
    ...(items.includes('exec') ? { instruction: (vcpu) => write(`exec: cpu=${vcpu.id} ${place(vcpu)}`) } : {}),
    ...(mmu ? {
      paging: ({ id, state }) => {
        const registers = ([['CR0', L.CR0], ['CR3', L.CR3], ['CR4', L.CR4], ['EFER', L.EFER]] as const).map(([name, at]) => `${name}=${hex(state.u64(at), 8)}`)
        write(`mmu: cpu=${id} paging ${registers.join(' ')}`)
      },
      flush: ({ id }, what, low, high) => write(`mmu: cpu=${id} TLB flush ${what === 'page' ? `of ${hex(high, 8)}${hex(low, 8)}` : what}`),
    } satisfies VcpuTrace : {}),
  }
}
