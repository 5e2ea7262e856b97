// node v86-boot.ts kernel initrd append MiB bios vgabios: boots on v86, first serial port on standard input and output. Runs until it is killed.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { V86 } from 'v86'

const [kernel, initrd, append, memory, bios, vgabios] = process.argv.slice(2) as [string, string, string, string, string, string]
const file = (path: string): { buffer: ArrayBuffer } => ({ buffer: new Uint8Array(readFileSync(path)).buffer })

const machine = new V86({
  wasm_path: fileURLToPath(import.meta.resolve('v86/build/v86.wasm')),
  memory_size: Number(memory) * 1024 * 1024,
  bios: file(bios),
  vga_bios: file(vgabios),
  bzimage: file(kernel),
  initrd: file(initrd),
  cmdline: append,
  autostart: true
})
machine.add_listener('serial0-output-byte', (byte: number) => { process.stdout.write(Uint8Array.of(byte)) })
process.stdin.setEncoding('latin1').on('data', (text: string) => { machine.serial0_send(text) })
