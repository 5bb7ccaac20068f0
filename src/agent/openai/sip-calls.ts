import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { defaultRuntime } from '../engine/default-runtime.ts'
import { limit } from './line.ts'

/** Which of the two interfaces of OpenAI a SIP call is given to. */
export type OpenAiDialect = 'realtime' | 'live'

export interface OpenAiSipCallsOptions {
  readonly dialect: OpenAiDialect
  readonly apiKey: string
  /** Of the region the call was sent to, or the call is not found there. Default `https://api.openai.com/v1`. */
  readonly baseUrl?: string
  /** Default `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch
  /** For one request, milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  /**
   * How often a request that was answered with 429 or 5xx is made again, after 250, 500 … ms. A REFER never is: it may have been sent.
   * Default 2.
   */
  readonly retries?: number
  /** Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock'>
}

/** OpenAI refused to do something to a call, or did not answer. */
export class OpenAiCallError extends SipError {
  override readonly name: string = 'OpenAiCallError'
  /** 0 when there was no answer. */
  readonly statusCode: number
  /** What the interface calls it, `decision_already_made` for example; undefined when it did not say. */
  readonly reason: string | undefined

  constructor(action: string, statusCode: number, reason: string | undefined, options?: ErrorOptions) {
    const why = reason === undefined ? '' : ` (${reason})`
    super(
      'SIP_ENGINE',
      statusCode === 0
        ? `OpenAI did not answer to ${action}${why}: whether it was done is not known`
        : `OpenAI refused to ${action} the call with ${statusCode}${why}: ${hint(statusCode)}`,
      options,
    )
    this.statusCode = statusCode
    this.reason = reason
  }
}

/** Decides about SIP calls that reached a project of OpenAI, and ends or refers them. Ids come from the webhook. */
export interface OpenAiSipCalls {
  /**
   * Takes a call. `session` is the body of the dialect without its `type`: model, instructions, tools … Resolves to
   * `already-decided` where somebody was first: one call may be told of by the webhooks of both dialects. That somebody was we, where an attempt
   * that was answered with 5xx was carried out all the same.
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
const NEVER = new AbortController().signal

/** @throws OptionError `apiKey`, `dialect`, and later `id`, `statusCode` or `targetUri`; the methods reject with `OpenAiCallError` */
export function openAiSipCalls(options: OpenAiSipCallsOptions): OpenAiSipCalls {
  if (typeof options.apiKey !== 'string' || options.apiKey === '')
    throw new OptionError('apiKey', 'it is missing; give the key of the project')
  if (!Object.hasOwn(PATHS, options.dialect))
    throw new OptionError('dialect', `${JSON.stringify(options.dialect)} is none; give realtime or live`)
  const base = (options.baseUrl ?? 'https://api.openai.com/v1').replace(/\/+$/, '')
  const { timeoutMs = 10_000, retries = 2, dialect } = options
  if (!(timeoutMs >= 1 && timeoutMs <= 600_000))
    throw new OptionError('timeoutMs', `${timeoutMs} is not usable; give 1 to 600000`)
  if (!(Number.isInteger(retries) && retries >= 0 && retries <= 10))
    throw new OptionError('retries', `${retries} is not usable; give 0 to 10`)
  const { clock } = options.runtime ?? defaultRuntime()
  const once = async (url: string, action: string, body: unknown): Promise<void> => {
    const timed = limit(clock, timeoutMs, NEVER, `no answer within ${timeoutMs} ms`)
    try {
      const response = await (options.fetch ?? globalThis.fetch)(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${options.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: timed.signal,
      })
      const text = await response.text()
      if (!response.ok) throw new OpenAiCallError(action, response.status, reasonIn(text))
    } catch (cause) {
      if (cause instanceof OpenAiCallError) throw cause
      const reason = timed.signal.aborted ? `no answer within ${timeoutMs} ms` : 'the connection failed'
      throw new OpenAiCallError(action, 0, reason, { cause })
    } finally {
      timed.done()
    }
  }
  const post = async (id: string, action: string, body: unknown): Promise<void> => {
    if (!/^[\w-]{1,200}$/.test(id)) throw new OptionError('id', 'no id of a call; take it from the webhook')
    const url = `${base}/${PATHS[dialect]}/${id}/${action}`
    const more = action === 'refer' ? 0 : retries
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await once(url, action, body)
      } catch (error) {
        const { statusCode } = error as OpenAiCallError
        if (attempt >= more || !(statusCode === 429 || statusCode >= 500)) throw error
        await new Promise<void>(resolve => {
          clock.setTimer(clock.now() + 250 * 2 ** attempt, resolve)
        })
      }
    }
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
