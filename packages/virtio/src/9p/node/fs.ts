import * as fs from 'node:fs'
import { promisify } from 'node:util'

// Numbers for descriptors, not FileHandle objects: their life is counted here.
export const open: (path: string, flags: number, mode?: number) => Promise<number> = promisify(fs.open)
export const close: (fd: number) => Promise<void> = promisify(fs.close)
export const fchmod: (fd: number, mode: number) => Promise<void> = promisify(fs.fchmod)
export const fchown: (fd: number, uid: number, gid: number) => Promise<void> = promisify(fs.fchown)
export const ftruncate: (fd: number, size: number) => Promise<void> = promisify(fs.ftruncate)
export const fsync: (fd: number) => Promise<void> = promisify(fs.fsync)
export const fdatasync: (fd: number) => Promise<void> = promisify(fs.fdatasync)

export function fstat(fd: number): Promise<fs.BigIntStats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, { bigint: true }, (error, stats) => (error ? reject(error) : resolve(stats)))
  })
}

export function read(fd: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, into, 0, into.length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

export function write(fd: number, from: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, from, 0, from.length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

export const stat = (path: string): Promise<fs.BigIntStats> => fs.promises.stat(path, { bigint: true })
export const lstat = (path: string): Promise<fs.BigIntStats> => fs.promises.lstat(path, { bigint: true })
export { chmod, chown, lchown, link, lutimes, mkdir, opendir, readlink, realpath, rename, rmdir, statfs, symlink, unlink, utimes } from 'node:fs/promises'
