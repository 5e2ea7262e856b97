import type { BackingReference } from '@entresol/block'

/** The line that says what is made. */
export function formatting(path: string, format: string, size: number, backing: BackingReference | undefined, options: Readonly<Record<string, string>>): string {
  const words = Object.entries({
    fmt: format, size: String(size), ...backing && { backing_file: backing.name }, ...backing?.format !== undefined && { backing_fmt: backing.format }, ...options,
  })
  return `Formatting '${path}', ${words.map(([name, value]) => `${name}=${value}`).join(' ')}\n`
}
