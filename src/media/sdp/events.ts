/** The event lists of `a=fmtp` for `telephone-event` (RFC 4733 §2.4.1): `0-15,66,70`. */

/** Understood when a description names none (RFC 4733 §2.4.1). */
export const defaultEvents = '0-15'

/** Events outside 0-255 and pieces that are no numbers are left out. */
export function parseEvents(text: string): Set<number> {
  const events = new Set<number>()
  for (const piece of text.split(',')) {
    const range = /^\s*(\d{1,3})(?:-(\d{1,3}))?\s*$/.exec(piece)
    if (!range) continue
    const last = Math.min(Number(range[2] ?? range[1]), 255)
    for (let event = Number(range[1]); event <= last; event += 1) events.add(event)
  }
  return events
}

export function formatEvents(events: ReadonlySet<number>): string {
  const pieces: string[] = []
  const sorted = [...events].toSorted((a, b) => a - b)
  for (let i = 0; i < sorted.length; i += 1) {
    const first = sorted[i]!
    while (sorted[i + 1] === sorted[i]! + 1) i += 1
    pieces.push(first === sorted[i] ? `${first}` : `${first}-${sorted[i]}`)
  }
  return pieces.join(',')
}

/** The events both lists name, or `a` when they share none: digits are worth a try even then. */
export function commonEvents(a: string, b: string): string {
  if (a === b) return a
  const theirs = parseEvents(b)
  const common = formatEvents(new Set([...parseEvents(a)].filter(event => theirs.has(event))))
  return common === '' ? a : common
}
