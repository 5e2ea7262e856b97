/** How a line typed at the guest's shell frames its work in the serial output. The shell's echo of the line never looks like a marker. */
const AT = '\\100'

/** The longest line busybox's shell lets one type. */
export const LONGEST_LINE = 1000

/** A shell line that does `prepare` unseen, then `command` between two markers. Only the second comes when the preparation fails. */
export function framed(command: string, prepare: string = 'true'): string {
  return `{ ${prepare}; } >/dev/null 2>&1 && { printf '${AT}begin\\n'; { ${command}; } 2>&1; }; printf '${AT}end %d\\n' $?`
}

/** What a serial port said so far about one framed line. */
export interface Framed {
  readonly begun: boolean
  /** The exit status behind the end marker, once that is there. */
  readonly status?: number
  /** What stands between the markers, line ends and blanks around it removed. */
  readonly output?: string
}

const BEGIN = /@begin\r?\n/
const END = /@end (\d+)\r?\n/

export function readFrame(text: string): Framed {
  const begin = BEGIN.exec(text)
  const end = END.exec(text)
  const begun = begin !== null
  if (end === null) return { begun }
  const output = begun ? text.slice(begin.index + begin[0].length, end.index).replaceAll('\r', '').trim() : ''
  return { begun, status: Number(end[1]), output }
}
