import type { Group } from './loads.ts'
import type { Bits } from './peer.ts'
import { type Ratio, ratioOf, type Row, showRatio } from './report.ts'
import { geometricMean } from './statistics.ts'

const WIDTH = 860
const LEFT = 170
const RIGHT = 800
const BAR = 13
const GAP = 9
const COLOURS = ['#2f6db5', '#d9822b', '#5b8c5a']
const HEADINGS: Record<Group, string> = { cpu: 'CPU-bound', system: 'system', boot: 'boot', smp: 'two vCPUs', mix: 'bare instructions', disk: 'disk', network: 'network' }

/** Escapes text for XML and HTML. */
export const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

interface Bar {
  readonly peer: string
  readonly speed?: Ratio
  readonly note: string
}

interface Line {
  readonly label: string
  readonly bars: readonly Bar[]
}

/** What one guest's panel shows: per load, the speed of each peer that ran it relative to `baseline`; then the mean over the CPU-bound ones. */
export function lines(all: readonly Row[], bits: Bits, baseline: string): Map<Group, Line[]> {
  const panel = new Map<Group, Line[]>()
  const loads = Map.groupBy(all.filter(row => row.bits === bits && row.group !== 'smp'), ({ load }) => load)
  for (const [label, members] of loads) {
    const base = members.find(({ peer }) => peer === baseline)
    if (base?.median === undefined) continue
    const bars = members.filter(row => row !== base).map((row): Bar => {
      const speed = ratioOf(base, row)
      return { peer: row.peer, note: row.note, ...(speed ? { speed } : {}) }
    })
    const group = base.group
    panel.set(group, [...panel.get(group) ?? [], { label, bars }])
  }
  const cpu = panel.get('cpu')
  if (cpu !== undefined && cpu.length > 1) {
    const peers = [...new Set(cpu.flatMap(({ bars }) => bars.map(({ peer }) => peer)))]
    const bars = peers.map((peer): Bar => {
      const speeds = cpu.flatMap(line => line.bars.flatMap(bar => bar.peer === peer && bar.speed ? [bar.speed] : []))
      const bound = speeds.some(speed => speed.bound !== '=') ? '≈' : '='
      return speeds.length === 0 ? { peer, note: 'nothing measured' } : { peer, note: '', speed: { value: geometricMean(speeds.map(({ value }) => value)), bound } }
    })
    panel.set('cpu', [...cpu, { label: 'geometric mean', bars }])
  }
  return panel
}

/** Speeds relative to `baseline` as bars on a logarithmic axis, to the right where faster; one panel per guest; `caption` at the foot. */
export function chart(all: readonly Row[], baseline: string, caption: string): string {
  const panels = ([64, 32] as const).map(bits => ({ bits, groups: lines(all, bits, baseline) })).filter(({ groups }) => groups.size > 0)
  const bars = panels.flatMap(({ groups }) => [...groups.values()].flat().flatMap(line => line.bars))
  const peers = [...new Set(bars.map(({ peer }) => peer))]
  const logs = bars.flatMap(({ speed }) => speed ? [Math.log2(speed.value)] : [])
  const low = Math.floor(Math.min(-1, ...logs))
  const high = Math.ceil(Math.max(1, ...logs))
  const x = (log: number): number => Math.round((LEFT + (log - low) / (high - low) * (RIGHT - LEFT)) * 10) / 10
  const out: string[] = []
  const text = (at: number, y: number, content: string, more: string = ''): void => {
    out.push(`<text x="${at}" y="${y}"${more}>${escaped(content)}</text>`)
  }
  let y = 24
  text(10, y, `Speed relative to ${baseline} (1 = as fast; logarithmic)`, ' font-weight="bold"')
  peers.forEach((peer, index) => {
    out.push(`<rect x="${470 + index * 120}" y="${y - 11}" width="12" height="12" fill="${COLOURS[index % COLOURS.length]}"/>`)
    text(487 + index * 120, y, peer)
  })
  for (const { bits, groups } of panels) {
    y += 34
    text(10, y, `${bits}-bit guest`, ' font-weight="bold"')
    const top = y + 6
    const axis = out.length
    for (const [group, members] of groups) {
      y += 22
      text(LEFT - 10, y, HEADINGS[group], ' text-anchor="end" font-style="italic" fill="#555"')
      y += 8
      for (const { label, bars: own } of members) {
        text(LEFT - 10, y + own.length * BAR / 2 + 4, label, ` text-anchor="end"${label === 'geometric mean' ? ' font-weight="bold"' : ''}`)
        for (const { peer, speed, note } of own) {
          const end = x(speed ? Math.log2(speed.value) : 0)
          const start = x(0)
          const fill = COLOURS[peers.indexOf(peer) % COLOURS.length]
          out.push(`<rect x="${Math.min(start, end)}" y="${y}" width="${Math.abs(end - start).toFixed(1)}" height="${BAR - 2}" fill="${fill}"/>`)
          text(Math.max(start, end) + 4, y + BAR - 3, speed ? showRatio(speed) : note, ' font-size="10"')
          y += BAR
        }
        y += GAP
      }
    }
    const grid = Array.from({ length: high - low + 1 }, (_, step) => low + step).map(log => {
      const stroke = log === 0 ? 'stroke="#333"' : 'stroke="#ddd"'
      const label = log < 0 ? `1/${2 ** -log}` : `${2 ** log}`
      return `<line x1="${x(log)}" y1="${top}" x2="${x(log)}" y2="${y}" ${stroke}/><text x="${x(log)}" y="${y + 14}" text-anchor="middle" fill="#555">${label}</text>`
    })
    out.splice(axis, 0, ...grid)
    y += 18
  }
  text(10, y + 22, caption, ' font-size="10" fill="#555"')
  const height = y + 32
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">\n`
    + `<rect width="100%" height="100%" fill="#fff"/>\n${out.join('\n')}\n</svg>\n`
}
