/** Edit distance with transpositions of neighbours (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i === 0 ? j : j === 0 ? i : 0))
  const at = (i: number, j: number): number => rows[i]![j]!
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(i - 2, j - 2) + 1)
      rows[i]![j] = best
    }
  }
  return at(a.length, b.length)
}

/** The words a person may have meant, nearest first: at most three, of the smallest distance that a third of the word allows. */
export function nearest(word: string, words: readonly string[]): string[] {
  const lower = word.slice(0, 64).toLowerCase()
  const scored = words.map(candidate => ({ candidate, score: distance(lower, candidate.toLowerCase()) }))
  const best = Math.min(...scored.map(({ score }) => score))
  const limit = Math.max(1, Math.floor(lower.length / 3))
  const near = best <= limit ? scored.filter(({ score }) => score === best) : []
  const starts = words.filter(candidate => lower.length > 1 && candidate.toLowerCase().startsWith(lower)).map(candidate => ({ candidate }))
  return [...new Set([...near, ...starts].map(({ candidate }) => candidate))].slice(0, 3)
}

/** "; did you mean -kernel?", or all valid words when none is near and they are few. */
export function suggestion(word: string, words: readonly string[], decorate: (word: string) => string = word => word): string {
  const near = nearest(word, words).map(decorate)
  if (near.length > 0) return `; did you mean ${near.join(' or ')}?`
  return words.length > 0 && words.length <= 12 ? `; valid: ${words.map(decorate).join(', ')}` : ''
}
