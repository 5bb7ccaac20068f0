import { createHash } from 'node:crypto'
import type { DialectName } from './dialect.ts'

/** What carriers call a call, its stream and the account. */
export interface StreamIds {
  readonly streamId: string
  readonly callId: string
  readonly accountId: string
}

/** The call's ids in the form the dialect has them, always the same for the same call. `sessionId` is `AgentSession.id`. */
export function streamIds(dialect: DialectName, sessionId: string): StreamIds {
  if (dialect === 'twilio') {
    return {
      streamId: `MZ${digest('stream', sessionId)}`,
      callId: twilioCallSid(sessionId),
      accountId: `AC${'0'.repeat(32)}`,
    }
  }
  const streamId = uuid(digest('stream', sessionId))
  if (dialect === 'offhook') return { streamId, callId: sessionId, accountId: '' }
  return { streamId, callId: uuid(digest('call', sessionId)), accountId: '' }
}

/** The CallSid under which a bot in Twilio's dialect knows the call. */
export function twilioCallSid(sessionId: string): string {
  return `CA${digest('call', sessionId)}`
}

function digest(what: string, id: string): string {
  return createHash('sha256').update(`${what}:${id}`).digest('hex').slice(0, 32)
}

function uuid(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
