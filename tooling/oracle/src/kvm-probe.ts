import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { buildProgram } from './build-harness.ts'

export interface KvmProbe {
  /** Ring 0 runs on the hardware: such a KVM can judge kernel-mode behaviour. */
  readonly native: boolean
  /** One line for a person. */
  readonly reason: string
  /** Nanoseconds per instruction of a counting loop. */
  readonly nanoseconds?: { readonly real: number; readonly ring0: number; readonly ring3: number }
}

/** An instruction of a counting loop takes under a nanosecond on any current CPU and hundreds under emulation. */
const NATIVE_LIMIT = 20

/**
 * Whether /dev/kvm here is fit to be an oracle for ring 0. A KVM that works may still emulate guest kernels (a virtual machine without
 * nested VT-x or SVM does), and an emulator is no judge.
 */
export async function probeKvm(): Promise<KvmProbe> {
  let output: string
  try {
    output = (await promisify(execFile)(await buildProgram('kvm'), { timeout: 30_000 })).stdout
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    return { native: false, reason: stderr?.trim() || message }
  }
  const [real = NaN, ring0 = NaN, ring3 = NaN] = output.trim().split(' ').map(Number)
  const native = real < NATIVE_LIMIT && ring0 < NATIVE_LIMIT
  const figures = `${real} ns per instruction in real mode, ${ring0} in ring 0, ${ring3} in ring 3`
  return { native, reason: native ? `ring 0 runs on the hardware: ${figures}` : `ring 0 is emulated: ${figures}`, nanoseconds: { real, ring0, ring3 } }
}
