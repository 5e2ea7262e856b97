export type Bits = 32 | 64

/** A kernel, its initrd and command line, a disk, or both, and the machine they want; what every peer boots. */
export interface BootGuest {
  /** Absent: the disk is booted through the machine's BIOS. */
  readonly kernel?: KernelFiles
  /** A qcow2 image for a virtio disk of the guest's own; with it comes a virtio card on a user-mode network. */
  readonly disk?: string
  readonly bits: Bits
  /** MiB. */
  readonly memory: number
  readonly vcpus: number
}

export interface KernelFiles {
  readonly image: string
  readonly initrd: string
  readonly append: string
}

/** How entresol-kvm and QEMU alike are told of a guest's kernel and disk. */
export function guestOptions({ kernel, disk }: BootGuest): string[] {
  return [
    ...kernel ? ['-kernel', kernel.image, '-initrd', kernel.initrd, '-append', kernel.append] : [],
    ...disk === undefined ? ['-nic', 'none'] : ['-drive', `file=${disk},if=virtio,format=qcow2`, '-nic', 'user,model=virtio']
  ]
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
