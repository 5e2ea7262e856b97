import type { Gpa, GuestMemory } from '@entresol/interfaces'

/** Where real-mode code goes to restart a PC: FFFF:0000, the BIOS's reset entry. */
const RESET_ENTRY = 0xffff0

/**
 * On a board that boots its kernel without firmware, what stands at the BIOS's reset entry: a hard reset through port CF9h, so that a
 * kernel that restarts the BIOS way does restart.
 */
export function writeResetStub(memory: GuestMemory): void {
  memory.write(RESET_ENTRY as Gpa, Uint8Array.of(
    0xba, 0xf9, 0x0c, // mov dx, 0xcf9
    0xb0, 0x06, // mov al, 6
    0xee, // out dx, al
    0xf4, // hlt
    0xeb, 0xfd, // jmp to the hlt
  ))
}
