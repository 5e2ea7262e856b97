/** A run of guest frames mapped to consecutive pages of the page store. */
export interface Segment {
  gfn: number
  count: number
  /** Page that reads of the first frame reach; 0: the bus. */
  readPage: number
  /** Page that writes of the first frame reach; 0: the bus, -1: dropped. */
  writePage: number
}

/** What a range of guest frames is mapped to; undefined leaves that direction as it is. */
export interface Placement {
  readPage?: number
  writePage?: number
}

const advance = (page: number, by: number): number => (page > 0 ? page + by : page)

/** The guest-physical layout as disjoint segments: the reverse of the flat p2m tables, for invalidation and inspection. */
export class Layout {
  segments: Segment[] = []

  /** Places [gfn, gfn + count). */
  place(gfn: number, count: number, placement: Placement): void {
    const end = gfn + count
    this.#cut(gfn)
    this.#cut(end)
    const outside = this.segments.filter((s) => s.gfn < gfn || s.gfn >= end)
    const inside = this.segments.filter((s) => s.gfn >= gfn && s.gfn < end).sort((a, b) => a.gfn - b.gfn)
    const placed: Segment[] = []
    let at = gfn
    const put = (until: number, readPage: number, writePage: number): void => {
      const by = at - gfn
      if (placement.readPage !== undefined) readPage = advance(placement.readPage, by)
      if (placement.writePage !== undefined) writePage = advance(placement.writePage, by)
      if (until > at && (readPage !== 0 || writePage !== 0)) append(placed, { gfn: at, count: until - at, readPage, writePage })
      at = until
    }
    for (const segment of inside) {
      put(segment.gfn, 0, 0)
      put(segment.gfn + segment.count, segment.readPage, segment.writePage)
    }
    put(end, 0, 0)
    this.segments = [...outside, ...placed].sort((a, b) => a.gfn - b.gfn)
  }

  /** Calls back for every run of guest frames through which [page, page + count) can be reached. */
  eachAlias(page: number, count: number, visit: (gfn: number, count: number) => void): void {
    for (const segment of this.segments) {
      overlap(segment, segment.readPage, page, count, visit)
      if (segment.writePage !== segment.readPage) overlap(segment, segment.writePage, page, count, visit)
    }
  }

  /** The segment that holds `gfn`. */
  find(gfn: number): Segment | undefined {
    return this.segments.find((s) => gfn >= s.gfn && gfn < s.gfn + s.count)
  }

  #cut(gfn: number): void {
    const segment = this.segments.find((s) => s.gfn < gfn && s.gfn + s.count > gfn)
    if (segment === undefined) return
    const by = gfn - segment.gfn
    this.segments.push({
      gfn,
      count: segment.count - by,
      readPage: advance(segment.readPage, by),
      writePage: advance(segment.writePage, by),
    })
    segment.count = by
  }
}

/** Appends, joining with the last segment where it continues it. */
function append(segments: Segment[], next: Segment): void {
  const last = segments.at(-1)
  const joins =
    last !== undefined &&
    last.gfn + last.count === next.gfn &&
    advance(last.readPage, last.count) === next.readPage &&
    advance(last.writePage, last.count) === next.writePage
  if (joins) last.count += next.count
  else segments.push(next)
}

function overlap(segment: Segment, segmentPage: number, page: number, count: number, visit: (gfn: number, count: number) => void): void {
  if (segmentPage <= 0) return
  const first = Math.max(segmentPage, page)
  const end = Math.min(segmentPage + segment.count, page + count)
  if (first < end) visit(segment.gfn + (first - segmentPage), end - first)
}
