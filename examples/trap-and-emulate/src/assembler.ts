/** A byte, or a reference to a label: 32-bit absolute, or relative to the end of its own field. */
export type Piece = number | { readonly label: string; readonly size: 1 | 4; readonly relative: boolean }

/** A line of a program: `name:` defines a label, an array is an instruction. */
export type Line = string | readonly Piece[]

export const absolute = (label: string): Piece => ({ label, size: 4, relative: false })
export const near = (label: string): Piece => ({ label, size: 1, relative: true })
/** Four bytes of a number, little-endian. */
export const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
/** The characters of a text and a zero. */
export const text = (characters: string): number[] => [...new TextEncoder().encode(characters), 0]

const sizeOf = (piece: Piece): number => (typeof piece === 'number' ? 1 : piece.size)

/** Two passes: labels, then bytes. An unknown label has the address 0; the tests would notice. */
export function assemble(origin: number, program: readonly Line[]): { bytes: Uint8Array; labels: ReadonlyMap<string, number> } {
  const labels = new Map<string, number>()
  let address = origin
  for (const line of program) {
    if (typeof line === 'string') labels.set(line.slice(0, -1), address)
    else address += line.reduce((sum: number, piece) => sum + sizeOf(piece), 0)
  }
  const bytes: number[] = []
  for (const piece of program.filter((line): line is readonly Piece[] => typeof line !== 'string').flat()) {
    if (typeof piece === 'number') bytes.push(piece)
    else {
      const target = labels.get(piece.label) ?? 0
      const value = piece.relative ? target - (origin + bytes.length + piece.size) : target
      bytes.push(...dword(value >>> 0).slice(0, piece.size))
    }
  }
  return { bytes: Uint8Array.from(bytes), labels }
}
