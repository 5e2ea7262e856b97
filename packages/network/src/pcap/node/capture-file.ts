import { closeSync, openSync, writeSync } from 'node:fs'
import { CodedError } from '@entresol/kit'

/** A file for `capturePort`. Each record is in the file when the frame has passed. */
export interface CaptureFile {
  readonly write: (bytes: Uint8Array) => void
  close(): void
}

/**
 * Creates the file, or empties it; throws `capture-file`. When it cannot be written any more (full disk), `onError` is told once and the rest
 * is lost: the network goes on.
 */
export function openCaptureFile(path: string, onError: (error: CodedError) => void): CaptureFile {
  const failure = (verb: string, cause: unknown): CodedError =>
    new CodedError('capture-file', `cannot ${verb} ${path}: ${(cause as Error).message}`, { cause })
  let file: number | undefined
  try {
    file = openSync(path, 'w')
  } catch (cause) {
    throw failure('create', cause)
  }
  const close = (): void => {
    if (file !== undefined) closeSync(file)
    file = undefined
  }
  const write = (bytes: Uint8Array): void => {
    if (file === undefined) return
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    } catch (cause) {
      close()
      onError(failure('write', cause))
    }
  }
  return { write, close }
}
