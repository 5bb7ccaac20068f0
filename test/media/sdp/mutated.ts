/** A small generator of numbers (mulberry32), so that a failing run can be repeated. */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) % below
  }
}

const splices = [
  '\r\n',
  '\n',
  ' ',
  ':',
  '/',
  '=',
  '-',
  '\0',
  '99999999999',
  'm=audio 1 RTP/AVP 0\r\n',
  'a=rtpmap:',
  'c=IN IP6 ::\r\n',
]

/** `text` with one to four bytes changed, pieces cut out, doubled, swapped or put in. */
export function mutated(text: string, below: (limit: number) => number): string {
  let result = text
  for (let left = 1 + below(4); left > 0; left -= 1) {
    const at = below(result.length + 1)
    const to = Math.min(result.length, at + below(30))
    const piece = result.slice(at, to)
    const [before, after] = [result.slice(0, at), result.slice(to)]
    const kinds = [
      before + String.fromCharCode(below(256)) + result.slice(at + 1),
      before + after,
      before + piece + piece + after,
      before + splices[below(splices.length)]! + result.slice(at),
      before + piece.toUpperCase() + after,
      after + before,
    ]
    result = kinds[below(kinds.length)]!
  }
  return result
}
