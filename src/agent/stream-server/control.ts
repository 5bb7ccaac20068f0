import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { escapeXml } from './answers.ts'

/** What a carrier calls the call, and what came with its start. */
export interface ControlledCall {
  readonly callId: string
  readonly accountId: string
  readonly parameters: Readonly<Record<string, string>>
}

/** What a stream has no message for: done over the carrier's HTTP interface. */
export interface CarrierControl {
  hangup?(call: ControlledCall, signal: AbortSignal): Promise<void>
  /** `target`: a tel: or sip: URI, or a number. */
  transfer?(call: ControlledCall, target: string, signal: AbortSignal): Promise<void>
}

/** The carrier refused. */
export class CarrierControlError extends SipError {
  override readonly name: string = 'CarrierControlError'
  readonly statusCode: number

  constructor(action: string, statusCode: number, said: string) {
    super(
      'SIP_ENGINE',
      `the carrier refused to ${action} the call with ${statusCode}${said}: ${hint(statusCode)}`,
    )
    this.statusCode = statusCode
  }
}

interface RestOptions {
  /** Of the interface, for another region or a stand-in. */
  readonly baseUrl?: string
  /** Default `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch
}

/** Twilio, and what speaks as it does: a call is ended, or given other TwiML. */
export function twilioControl(
  options: RestOptions & {
    readonly authToken: string
    /** Default: that of the stream. */
    readonly accountSid?: string
  },
): CarrierControl {
  const { authToken, accountSid, baseUrl = 'https://api.twilio.com' } = options
  const update = async (
    call: ControlledCall,
    action: string,
    form: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> => {
    const account = accountSid ?? call.accountId
    return post(
      options,
      action,
      signal,
      `${baseUrl}/2010-04-01/Accounts/${part('accountSid', account)}/Calls/${part('callId', call.callId)}.json`,
      {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${account}:${authToken}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams(form).toString(),
      },
    )
  }
  return {
    hangup: (call, signal) => update(call, 'end', { Status: 'completed' }, signal),
    transfer: (call, target, signal) =>
      update(call, 'transfer', { Twiml: `<Response><Dial>${dialled(target)}</Dial></Response>` }, signal),
  }
}

/** Telnyx Call Control. A call that has ended already (422, 90018) is none to worry about. */
export function telnyxControl(options: RestOptions & { readonly apiKey: string }): CarrierControl {
  const { apiKey, baseUrl = 'https://api.telnyx.com' } = options
  const act = async (
    call: ControlledCall,
    action: string,
    body: object,
    signal: AbortSignal,
  ): Promise<void> =>
    post(options, action, signal, `${baseUrl}/v2/calls/${part('callId', call.callId)}/actions/${action}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  return {
    hangup: (call, signal) => act(call, 'hangup', {}, signal),
    transfer: (call, target, signal) => act(call, 'transfer', { to: target.replace(/^tel:/i, '') }, signal),
  }
}

/** Plivo ends calls; a transfer there needs an URL of yours to fetch XML from, which is not built. */
export function plivoControl(
  options: RestOptions & { readonly authId: string; readonly authToken: string },
): CarrierControl {
  const { authId, authToken, baseUrl = 'https://api.plivo.com' } = options
  return {
    hangup: async (call, signal) =>
      post(
        options,
        'end',
        signal,
        `${baseUrl}/v1/Account/${part('authId', authId)}/Call/${part('callId', call.callId)}/`,
        {
          method: 'DELETE',
          headers: { authorization: `Basic ${Buffer.from(`${authId}:${authToken}`).toString('base64')}` },
        },
      ),
  }
}

/** Vonage, where the headers of the NCCO carry the `uuid` of the leg, as `vonageNcco` sends it. `token` makes the JWT of the application. */
export function vonageControl(
  options: RestOptions & { readonly token: () => string | Promise<string> },
): CarrierControl {
  const { token, baseUrl = 'https://api.nexmo.com' } = options
  const put = async (
    call: ControlledCall,
    action: string,
    body: object,
    signal: AbortSignal,
  ): Promise<void> => {
    const { uuid = '' } = call.parameters
    const authorization = `Bearer ${await token()}`
    return post(options, action, signal, `${baseUrl}/v1/calls/${part('uuid', uuid)}`, {
      method: 'PUT',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }
  return {
    hangup: (call, signal) => put(call, 'end', { action: 'hangup' }, signal),
    transfer: (call, target, signal) => {
      const endpoint = /^sips?:/i.test(target)
        ? { type: 'sip', uri: target }
        : { type: 'phone', number: target.replace(/^tel:/i, '').replace(/^\+/, '') }
      const ncco = [{ action: 'connect', endpoint: [endpoint] }]
      return put(call, 'transfer', { action: 'transfer', destination: { type: 'ncco', ncco } }, signal)
    },
  }
}

/** Runs `act` with a limit of time, on the clock of the server. */
export async function within(
  clock: Clock,
  limitMs: number,
  act: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController()
  const timer = clock.setTimer(clock.now() + limitMs, () =>
    controller.abort(
      new SipError('SIP_TIMEOUT', `the carrier's HTTP interface did not answer within ${limitMs} ms`),
    ),
  )
  const late = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error))
  })
  try {
    await Promise.race([act(controller.signal), late])
  } finally {
    timer.cancel()
  }
}

async function post(
  { fetch = globalThis.fetch }: RestOptions,
  action: string,
  signal: AbortSignal,
  url: string,
  init: RequestInit,
): Promise<void> {
  const response = await fetch(url, { ...init, signal })
  const text = await response.text()
  if (response.ok) return
  const code = /"code"\s*:\s*"?(\d{3,6})/.exec(text.slice(0, 4096))?.[1]
  // Ended already, which is what was asked for.
  if (action !== 'transfer' && (response.status === 404 || code === '90018' || code === '21220')) return
  throw new CarrierControlError(action, response.status, code === undefined ? '' : ` (${code})`)
}

/** `<Dial>` takes a number as its text, and a SIP URI in a noun of its own. */
function dialled(target: string): string {
  return /^sips?:/i.test(target) ? `<Sip>${escapeXml(target)}</Sip>` : escapeXml(target.replace(/^tel:/i, ''))
}

/** A part of a path. @throws OptionError */
function part(field: string, value: string): string {
  if (!/^[\w.:-]{1,128}$/.test(value)) {
    throw new OptionError(
      field,
      'the carrier did not tell it, or it is none: without it the call cannot be named',
    )
  }
  return encodeURIComponent(value)
}

function hint(statusCode: number): string {
  if (statusCode === 401 || statusCode === 403) return 'check the credentials'
  if (statusCode === 404) return 'it knows no such call: check account and region'
  if (statusCode === 429) return 'too many requests: try later'
  return statusCode >= 500 ? 'a fault on its side' : 'check what was sent'
}
