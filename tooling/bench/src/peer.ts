export type Bits = 32 | 64

/** A kernel, its initrd and command line, and the machine it wants; what every peer boots. */
export interface BootGuest {
  readonly kernel: string
  readonly initrd: string
  readonly append: string
  readonly bits: Bits
  /** MiB. */
  readonly memory: number
  readonly vcpus: number
}

/** A command whose standard input and output are the guest's first serial port. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

/** One machine to measure. */
export interface Peer {
  readonly name: string
  /** What the report says was measured, or why the peer is absent. */
  version(): Promise<{ readonly version: string } | { readonly missing: string }>
  /** How it boots `guest`, or why it cannot. */
  boot(guest: BootGuest): Command | { readonly unable: string }
  /** How it runs a bare multiboot kernel. */
  multiboot(kernel: string): Command | { readonly unable: string }
}

/** One run of a load on one peer: the measured value and what the guest printed, the limit in seconds it did not meet, or what went wrong. */
export type Sample =
  | { readonly value: number, readonly output?: string }
  | { readonly over: number }
  | { readonly failed: string }
