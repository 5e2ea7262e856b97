import { Machine } from './dist/index.js'
import { readFileSync } from 'node:fs'
const kernel = readFileSync('/work/main/.cache/guests/packages/amd64/linux-image-cloud-amd64/boot/vmlinuz-6.1.0-56-cloud-amd64')
const m = new Machine({ memory: 256<<20, kernel, append: process.argv[2] ?? 'console=ttyS0 earlyprintk=ttyS0 panic=-1', noReboot: true, cpu: process.argv[3] ?? 'x86-64-v2',
 serial: [{ write: (b) => process.stdout.write(b), onData() {}, resume() {} }] })
const t = setInterval(() => { console.error('\n[stats]', JSON.stringify(m.stats)) }, 10000)
await m.boot()
setTimeout(() => { console.error(m.stats); process.exit(1) }, Number(process.argv[4] ?? 60000))
console.error(await m.stopped)
process.exit(0)
