import type { SipRequest, SipResponse } from '../sip/message/message.ts'
import { methodOf } from './parties.ts'

/** One line of a ladder: a message between the two parties, or something that happened at ours. */
export type LadderEntry =
  | { readonly kind: 'message'; readonly at: number; readonly direction: 'in' | 'out'; readonly text: string }
  | { readonly kind: 'event'; readonly at: number; readonly text: string }

export interface Ladder {
  readonly title: string
  /** Names of the columns: the peer left, we right. */
  readonly peer: string
  readonly local: string
  readonly entries: readonly LadderEntry[]
  /** Entries left out because of the bound. */
  readonly dropped: number
}

const width = 64

/** A call as text: time since the first entry in milliseconds, arrows for messages, dots for what happened here. */
export function formatLadder(ladder: Ladder): string {
  const start = ladder.entries[0]?.at ?? 0
  const lines = [
    ladder.title,
    `${' '.repeat(11)}${ladder.peer.padEnd(width - ladder.local.length)}${ladder.local}`,
  ]
  for (const entry of ladder.entries) {
    const time = `${(entry.at - start).toFixed(0).padStart(8)}   `
    lines.push(time + (entry.kind === 'message' ? arrow(entry.text, entry.direction) : note(entry.text)))
  }
  if (ladder.dropped > 0) lines.push(`           … ${ladder.dropped} entries more than the trace keeps`)
  return `${lines.join('\n')}\n`
}

function arrow(text: string, direction: 'in' | 'out'): string {
  const room = width - 6
  const label = ` ${text.length > room - 2 ? `${text.slice(0, room - 3)}…` : text} `
  const left = Math.floor((width - 2 - label.length) / 2)
  const line =
    '─'.repeat(Math.max(left, 1)) + label + '─'.repeat(Math.max(width - 2 - label.length - left, 1))
  return direction === 'in' ? `|${line}▶|` : `|◀${line}|`
}

function note(text: string): string {
  return `|${' '.repeat(width - 1)}|  ${text}`
}

/** What a line says of a message: start line, CSeq of in-dialog requests, and what its SDP offers. */
export function summarise(message: SipRequest | SipResponse): string {
  const start =
    message.kind === 'request'
      ? message.method
      : `${message.statusCode} ${message.reasonPhrase} (${methodOf(message) ?? '?'})`
  const media = sdpSummary(message)
  return media === '' ? start : `${start}  ${media}`
}

function sdpSummary(message: SipRequest | SipResponse): string {
  if (message.body.length === 0 || !/sdp/i.test(message.headers.get('Content-Type') ?? 'sdp')) return ''
  const text = Buffer.from(message.body).toString('latin1')
  const audio = /^m=audio (?<port>\d+) \S+ (?<formats>[\d ]+)/m.exec(text)?.groups
  if (!audio) return ''
  const direction = /^a=(?<direction>sendonly|recvonly|inactive)\s*$/m.exec(text)?.groups?.['direction']
  return `SDP :${audio['port']} [${audio['formats']?.trim()}]${direction === undefined ? '' : ` ${direction}`}`
}
