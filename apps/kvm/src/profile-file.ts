import { closeSync, openSync, writeSync } from 'node:fs'
import { CodedError } from '@entresol/kit'
import { GuestProfile, KernelSymbols } from '@entresol/machine'
import { fileError, load } from './files.ts'

export async function loadSymbols(path: string): Promise<KernelSymbols> {
  const file = await load('-symbols', path)
  try {
    return new KernelSymbols(file)
  } catch (error) {
    throw error instanceof CodedError ? new CodedError(error.code, `-symbols: ${path}: ${error.message}`, { cause: error }) : error
  }
}

/** The file of -profile: opened at the start, so that a path that cannot be is known then, and written at the end. */
export class ProfileFile {
  readonly profile: GuestProfile
  readonly #file: number

  constructor(path: string, symbols: KernelSymbols | undefined) {
    this.profile = new GuestProfile(symbols)
    try {
      this.#file = openSync(path, 'w')
    } catch (error) {
      throw fileError('-profile', path, error)
    }
  }

  close(): void {
    writeSync(this.#file, `${this.profile.report()}\n`)
    closeSync(this.#file)
  }
}
