/** `application/simple-message-summary` (RFC 3842 §5.2), read and written. */
import type { SessionBody } from '../dialog/session-types.ts'
import { EventBodyError, textOfBody } from './body-error.ts'

export interface MessageCounts {
  readonly new: number
  readonly old: number
  readonly newUrgent?: number | undefined
  readonly oldUrgent?: number | undefined
}

export interface MessageSummary {
  readonly waiting: boolean
  /** A URI. */
  readonly account?: string | undefined
  /** By context class, in lower case: `voice-message`, `fax-message`, … */
  readonly counts: ReadonlyMap<string, MessageCounts>
}

/** Lines of counts that are kept. */
const MAX_CLASSES = 32
const countLine =
  /^([\w.-]+-message|none)\s*:\s*(\d{1,9})\s*\/\s*(\d{1,9})(?:\s*\(\s*(\d{1,9})\s*\/\s*(\d{1,9})\s*\))?\s*$/i

/** @throws EventBodyError */
export function readMessageSummary(body: Uint8Array): MessageSummary {
  const lines = textOfBody(body).split(/\r?\n/)
  const status = lines
    .map(line => /^messages-waiting\s*:\s*(yes|no)\s*$/i.exec(line))
    .find(match => match !== null)
  if (status === undefined) throw new EventBodyError('the summary lacks "Messages-Waiting: yes" or "no"')
  const account = lines
    .map(line => /^message-account\s*:\s*(\S.*?)\s*$/i.exec(line))
    .find(match => match !== null)
  const counts = new Map<string, MessageCounts>()
  for (const line of lines) {
    const match = countLine.exec(line)
    if (match === null || counts.size >= MAX_CLASSES) continue
    const [, name = '', fresh, old, newUrgent, oldUrgent] = match
    counts.set(name.toLowerCase(), {
      new: Number(fresh),
      old: Number(old),
      ...(newUrgent === undefined ? {} : { newUrgent: Number(newUrgent), oldUrgent: Number(oldUrgent) }),
    })
  }
  return { waiting: status[1]?.toLowerCase() === 'yes', account: account?.[1], counts }
}

/** @throws EventBodyError an account or class that would break a line */
export function writeMessageSummary({ waiting, account, counts }: MessageSummary): SessionBody {
  const lines = [`Messages-Waiting: ${waiting ? 'yes' : 'no'}`]
  if (account !== undefined) lines.push(`Message-Account: ${account}`)
  for (const [name, { new: fresh, old, newUrgent, oldUrgent }] of counts) {
    const urgent =
      newUrgent === undefined && oldUrgent === undefined ? '' : ` (${newUrgent ?? 0}/${oldUrgent ?? 0})`
    lines.push(`${name}: ${fresh}/${old}${urgent}`)
  }
  if (lines.some(line => /[\r\n\0]/.test(line))) throw new EventBodyError('a line break in a summary')
  return { contentType: 'application/simple-message-summary', body: Buffer.from(`${lines.join('\r\n')}\r\n`) }
}
