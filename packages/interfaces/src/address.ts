/**
 * Address kinds are branded so that they never mix. All are byte addresses held as non-negative
 * safe integers; 64-bit guest linear addresses do not fit and travel as bigint or as low/high halves.
 */
declare const kind: unique symbol
/** Guest physical address in bytes. */
export type Gpa = number & { readonly [kind]: 'gpa' }
/** Byte offset into the machine memory's WebAssembly.Memory ("machine address"). */
export type MachineAddress = number & { readonly [kind]: 'machine' }
/** Machine frame number: machine address / 4096. */
export type Mfn = number & { readonly [kind]: 'mfn' }
/** Guest frame number: guest physical address / 4096. */
export type Gfn = number & { readonly [kind]: 'gfn' }
