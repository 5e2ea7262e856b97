import type { ImageSnapshot } from '@entresol/block'
import { humanSize } from '../values.ts'

const two = (value: number): string => String(value).padStart(2, '0')

/** The table of internal snapshots, dates in local time. */
export function snapshotList(snapshots: readonly ImageSnapshot[]): string {
  const row = (id: string, tag: string, size: string, date: string, clock: string, instructions: string): string =>
    `${id.padEnd(9)} ${tag.padEnd(16)} ${size.padStart(8)}${date.padStart(20)}${clock.padStart(13)}${instructions.padStart(11)}`.trimEnd() + '\n'
  return `Snapshot list:\n${row('ID', 'TAG', 'VM SIZE', 'DATE', 'VM CLOCK', 'ICOUNT')}${snapshots.map((snapshot) => {
    const date = new Date(snapshot.dateSeconds * 1000)
    const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
    const milliseconds = Number(snapshot.vmClock / 1_000_000n)
    const seconds = Math.floor(milliseconds / 1000)
    const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(milliseconds % 1000).padStart(3, '0')}`
    return row(snapshot.id, snapshot.name, humanSize(snapshot.vmStateSize), day, clock, '')
  }).join('')}`
}
