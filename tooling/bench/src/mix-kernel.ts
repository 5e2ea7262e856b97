import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cache } from '@entresol/bootstrap/paths'

const ITERATIONS = 100_000_000
const LOOP_INSTRUCTIONS = 11
export const MIX_INSTRUCTIONS: number = ITERATIONS * LOOP_INSTRUCTIONS

/** Where the image is loaded (multiboot a.out kludge). */
const BASE = 0x100000

const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]

/** mov al, char; out dx, al for each, with dx at COM1. */
const print = (text: string): number[] => [0x66, 0xba, 0xf8, 0x03, ...[...text].flatMap((char) => [0xb0, char.charCodeAt(0), 0xee])]

/** A multiboot kernel that prints BEGIN, runs the mix and prints END. Returns the path of the image. */
export function writeMixKernel(): string {
  const header = 32
  const loop = [
    0x8b, 0x03, // mov eax, [ebx]
    0x01, 0xc8, // add eax, ecx
    0x89, 0x43, 0x08, // mov [ebx+8], eax
    0x8d, 0x14, 0x48, // lea edx, [eax+ecx*2]
    0x31, 0xd6, // xor esi, edx
    0xc1, 0xe6, 0x03, // shl esi, 3
    0x39, 0xc6, // cmp esi, eax
    0x50, // push eax
    0x5f, // pop edi
    0x49, // dec ecx
  ]
  const code = [
    0xbc, ...dword(0x200000), // mov esp, 0x200000
    0xbb, ...dword(0x180000), // mov ebx, 0x180000
    ...print('BEGIN\n'),
    0xb9, ...dword(ITERATIONS), // mov ecx, iterations
    ...loop,
    0x75, (-(loop.length + 2)) & 0xff, // jnz loop
    ...print('END\n'),
    0xf4, 0xeb, 0xfd, // hlt; jmp
  ]
  const end = BASE + header + code.length
  const flags = 0x10000
  const magic = 0x1badb002
  const image = [...dword(magic), ...dword(flags), ...dword(-(magic + flags) >>> 0), ...dword(BASE), ...dword(BASE), ...dword(end), ...dword(end), ...dword(BASE + header), ...code]
  const folder = join(cache, 'bench')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'mix-kernel.bin')
  writeFileSync(path, Uint8Array.from(image))
  return path
}
