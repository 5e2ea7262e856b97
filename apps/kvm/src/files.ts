import { readFile } from 'node:fs/promises'
import { CodedError } from '@entresol/kit'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file', EACCES: 'permission denied', EPERM: 'permission denied', EISDIR: 'is a directory', EROFS: 'read-only file system',
  ECONNREFUSED: 'connection refused', EADDRINUSE: 'address in use', ENOTFOUND: 'no such host', EADDRNOTAVAIL: 'not an address of this host', ENXIO: 'nobody is at the other end',
}

/** One line that says which option, which file and why. */
export function fileError(option: string, path: string, error: unknown): CodedError {
  const { code, message } = error as NodeJS.ErrnoException
  return new CodedError('file-error', `${option}: ${path}: ${(code !== undefined && REASONS[code]) || message}`, { cause: error })
}

export async function load(option: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw fileError(option, path, error)
  }
}
