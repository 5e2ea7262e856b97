/** How a line typed at the guest's shell frames its work in the serial output. The shell's echo of the line never looks like a marker. */
export const AT = '\\100'

/** The longest line busybox's shell lets one type. */
export const LONGEST_LINE = 1000

/** A shell line that does `prepare` unseen, then `command` between two markers. */
export function framed(command: string, prepare?: string): string {
  const before = prepare === undefined ? '' : `{ ${prepare}; } >/dev/null 2>&1; `
  return `${before}printf '${AT}begin\\n'; { ${command}; } 2>&1; printf '${AT}end %d\\n' $?`
}

/** What a serial port said so far about one framed line. */
export interface Framed {
  readonly begun: boolean
  /** The exit status behind the end marker, once that is there. */
  readonly status?: number
  /** What stands between the markers, line ends and blanks around it removed. */
  readonly output?: string
}

const FRAME = /@begin\r?\n([^]*?)@end (\d+)\r?\n/

export function readFrame(text: string): Framed {
  const match = FRAME.exec(text)
  if (match === null) return { begun: /@begin\r?\n/.test(text) }
  return { begun: true, status: Number(match[2]), output: match[1]!.replaceAll('\r', '').trim() }
}
