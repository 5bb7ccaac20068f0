import { OptionError, SipError } from '../../runtime/errors.ts'

/** Which of the two interfaces of OpenAI a SIP call is given to. */
export type OpenAiDialect = 'realtime' | 'live'

export interface OpenAiSipCallsOptions {
  readonly dialect: OpenAiDialect
  readonly apiKey: string
  /** Of the region the call was sent to, or the call is not found there. Default `https://api.openai.com/v1`. */
  readonly baseUrl?: string
  /** Default `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch
}

/** OpenAI refused to do something to a call. */
export class OpenAiCallError extends SipError {
  override readonly name: string = 'OpenAiCallError'
  readonly statusCode: number
  /** What the interface calls it, `decision_already_made` for example; undefined when it did not say. */
  readonly reason: string | undefined

  constructor(action: string, statusCode: number, reason: string | undefined) {
    const why = reason === undefined ? '' : ` (${reason})`
    super('SIP_ENGINE', `OpenAI refused to ${action} the call with ${statusCode}${why}: ${hint(statusCode)}`)
    this.statusCode = statusCode
    this.reason = reason
  }
}

/** Decides about SIP calls that reached a project of OpenAI, and ends or refers them. Ids come from the webhook. */
export interface OpenAiSipCalls {
  /**
   * Takes a call. `session` is the body of the dialect without its `type`: model, instructions, tools … Resolves to
   * `already-decided` where somebody was first: one call may be told of by the webhooks of both dialects.
   */
  accept(id: string, session: Readonly<Record<string, unknown>>): Promise<'accepted' | 'already-decided'>
  /** Default 603 (RFC 3261 §21.6.2). */
  reject(id: string, statusCode?: number): Promise<'rejected' | 'already-decided'>
  /** Has OpenAI send a REFER (RFC 3515) to the trunk; whether the transfer succeeds is not told. */
  refer(id: string, targetUri: string): Promise<void>
  hangup(id: string): Promise<void>
}

const PATHS = { realtime: 'realtime/calls', live: 'live/sessions' } as const
const MAX_REASON = 100

/** @throws OptionError `apiKey`, and later `id`, `statusCode` or `targetUri`; the methods reject with `OpenAiCallError` */
export function openAiSipCalls(options: OpenAiSipCallsOptions): OpenAiSipCalls {
  if (options.apiKey === '') throw new OptionError('apiKey', 'it is empty; give the key of the project')
  const base = (options.baseUrl ?? 'https://api.openai.com/v1').replace(/\/+$/, '')
  const post = async (id: string, action: string, body: unknown): Promise<void> => {
    if (!/^[\w-]{1,200}$/.test(id)) throw new OptionError('id', 'no id of a call; take it from the webhook')
    const response = await (options.fetch ?? globalThis.fetch)(
      `${base}/${PATHS[options.dialect]}/${id}/${action}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      },
    )
    const text = await response.text()
    if (!response.ok) throw new OpenAiCallError(action, response.status, reasonIn(text))
  }
  return {
    async accept(id, session) {
      const typed = { ...session, type: options.dialect }
      return decided(post(id, 'accept', options.dialect === 'live' ? { session: typed } : typed), 'accepted')
    },
    async reject(id, statusCode = 603) {
      if (!Number.isInteger(statusCode) || statusCode < 300 || statusCode > 699) {
        throw new OptionError('statusCode', `${statusCode} refuses no call; give 300 to 699`)
      }
      return decided(post(id, 'reject', { status_code: statusCode }), 'rejected')
    },
    async refer(id, targetUri) {
      if (!/^(?:tel|sips?):\S+$/i.test(targetUri)) {
        throw new OptionError('targetUri', 'no URI of a telephone; give tel:+… or sip:…')
      }
      await post(id, 'refer', { target_uri: targetUri })
    },
    hangup: id => post(id, 'hangup', {}),
  }
}

async function decided<Done extends string>(
  request: Promise<void>,
  done: Done,
): Promise<Done | 'already-decided'> {
  try {
    await request
    return done
  } catch (error) {
    if (error instanceof OpenAiCallError && error.reason === 'decision_already_made') return 'already-decided'
    throw error
  }
}

/** The code or the type of the error, whatever else was sent. */
function reasonIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown; type?: unknown } | null }
    for (const reason of [error?.code, error?.type]) {
      if (typeof reason === 'string' && /^[\w.-]+$/.test(reason)) return reason.slice(0, MAX_REASON)
    }
  } catch {
    // A page of a proxy, not of the interface.
  }
  return undefined
}

function hint(statusCode: number): string {
  if (statusCode === 401 || statusCode === 403) return 'check the key and the project it belongs to'
  if (statusCode === 404) return 'no such call there: it may have ended, or baseUrl is of another region'
  if (statusCode === 429) return 'too many requests or no credit: try later'
  if (statusCode >= 500) return 'a fault on its side: try again'
  return 'check what was sent'
}
