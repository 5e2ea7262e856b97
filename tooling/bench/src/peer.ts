/** A kernel, its initrd and command line; what every peer boots. */
export interface BootGuest {
  readonly kernel: string
  readonly initrd: string
  readonly append: string
  readonly bits: 32 | 64
}

/** A command whose standard output is the guest's first serial port. */
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

/** One measured value of one peer, lower is better unless the load says otherwise. */
export type Sample = { readonly value: number } | { readonly failed: string }
