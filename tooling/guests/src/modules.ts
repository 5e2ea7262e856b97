import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CodedError } from '@entresol/kit'
import type { CpioEntry } from '@entresol/loader'
import type { Architecture } from './apt.ts'
import { unpacked } from './packages.ts'

/** Where the guest loads them from, in this order. */
const FOLDER = 'lib/modules/wanted'

/** What is unpacked of the package: virtio's drivers, and what these and file systems need. Each pattern has to match in every kernel. */
const FILES = [
  'drivers/virtio/*', 'drivers/block/virtio_blk.ko', 'drivers/char/virtio_console.ko', 'drivers/char/hw_random/*', 'drivers/net/virtio_net.ko',
  'drivers/net/net_failover.ko', 'drivers/input/evdev.ko', 'fs/*', 'net/*',
]

const moduleName = (file: string): string => basename(file, '.ko').replaceAll('-', '_')

/** What the module says it needs: `depends=` of its .modinfo section, a list of names between zero bytes. */
function dependencies(module: Buffer): string[] {
  const at = module.indexOf('\0depends=')
  if (at < 0) return []
  const start = at + '\0depends='.length
  return module.toString('latin1', start, module.indexOf(0, start)).split(',').filter(Boolean).map(moduleName)
}

/**
 * Modules of a kernel package with all they depend on, and /sbin/load-modules, which loads them. Throws `no-package` for one that does not
 * exist.
 */
export async function moduleEntries(image: string, architecture: Architecture, names: readonly string[]): Promise<CpioEntry[]> {
  const folder = await unpacked({
    name: image, architecture, follow: 'linux-image-', as: `${image}-modules`,
    files: FILES.map(path => `./lib/modules/*/kernel/${path}`),
  })
  const files = new Map((await readdir(folder, { recursive: true })).filter(path => path.endsWith('.ko')).map(path => [moduleName(path), join(folder, path)]))
  const order: { name: string; data: Buffer }[] = []
  const add = async (name: string): Promise<void> => {
    if (order.some(module => module.name === name)) return
    const file = files.get(name)
    if (file === undefined) throw new CodedError('no-package', `${image} has no module ${name}`)
    const data = await readFile(file)
    for (const needed of dependencies(data)) await add(needed)
    order.push({ name, data })
  }
  for (const name of names) await add(name)
  const path = (name: string): string => `${FOLDER}/${name}.ko`
  return [
    ...['lib', 'lib/modules', FOLDER].map(directory => ({ path: directory, kind: 'directory' }) as const),
    ...order.map(({ name, data }) => ({ path: path(name), kind: 'file', data }) as const),
    { path: 'sbin/load-modules', kind: 'file', mode: 0o755, data: `#!/bin/sh\n${order.map(({ name }) => `insmod /${path(name)}\n`).join('')}` },
  ]
}
