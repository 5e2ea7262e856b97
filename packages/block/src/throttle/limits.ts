import type { Rate } from './leaky-bucket.ts'

/** I/O limits of a disk, by the names they have behind `throttling.` in QEMU's -drive. */
export interface ThrottleLimits {
  /** What is absent is unlimited. */
  readonly limits: Readonly<Partial<Record<`${'bps' | 'iops'}-${'total' | 'read' | 'write'}`, Rate>>>
  /** Bytes that count as one operation; longer requests count as several. Absent: every request is one. */
  readonly requestBytes?: number
}
