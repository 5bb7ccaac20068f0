import { SipError } from '../runtime/errors.ts'
import type { Clock } from '../runtime/runtime.ts'
import { Supported } from '../sip/message/headers/capabilities.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import { readReferNotify } from '../sip/dialog/refer-notify.ts'
import { readRefer, writeReferTo } from '../sip/dialog/refer-target.ts'
import { ReferUsage } from '../sip/dialog/refer-usage.ts'
import type { ReplaceableDialog } from '../sip/dialog/replaces.ts'
import { replacesFor } from '../sip/dialog/replaces.ts'
import type { IncomingRequest, InviteSession } from '../sip/dialog/session-types.ts'
import type { Call } from './call.ts'
import { parseTarget } from './checks.ts'
import { callChannel } from './diagnostics.ts'
import { reportListenerError } from './emitter.ts'
import type { TransferDesk } from './transfer-desk.ts'
import type { TransferOptions, TransferResult } from './transfer-options.ts'
import { checkTransferOptions, parseTransferTarget, transferResult } from './transfer-options.ts'
import { TransferRequest } from './transfer-request.ts'

const defaultTimeoutMs = 180_000
const defaultHangupAfterMs = 2_000

/** A call with what lies under it. */
export interface TransferParty {
  readonly call: Call
  readonly session: InviteSession
  /** The Supported values of the INVITE or 2xx that the other side sent. */
  readonly supported: readonly string[] | undefined
}

/** What the transfers of a call need of it. */
export interface TransferHost {
  readonly call: Call
  session(): InviteSession
  readonly endpoint: object
  readonly clock: Clock
  readonly desk: TransferDesk
  /** Tells who listens; false when nobody does. */
  emit(request: TransferRequest): boolean
  listened(): boolean
}

/** The transfers of one call: those we ask for, one at a time, and those the other party asks for, likewise. */
export class CallTransfers {
  readonly #host: TransferHost
  #current: ReferUsage | undefined
  #asked: TransferRequest | undefined

  constructor(host: TransferHost) {
    this.#host = host
  }

  // ---- asked of the other party -----------------------------------------------------------------------------------

  /** @throws OptionError; SipError SIP_STATE a call that is not up, or a transfer under way */
  async transfer(target: string | TransferParty, options: TransferOptions): Promise<TransferResult> {
    checkTransferOptions(options)
    const { signal } = options
    signal?.throwIfAborted()
    const { call } = this.#host
    if (call.state !== 'confirmed') {
      throw new SipError(
        'SIP_STATE',
        `the call is ${call.state}; a call can be transferred once it is answered`,
      )
    }
    if (this.#current !== undefined && !this.#current.over) {
      throw new SipError('SIP_STATE', 'the call is being transferred already; await that first')
    }
    const consultation = typeof target === 'string' ? undefined : target
    const referTo =
      typeof target === 'string' ? blindReferTo(target, options) : attendedReferTo(target, call, options)
    if (consultation !== undefined && options.force !== true && deniesReplaces(consultation.supported)) {
      return transferResult({ outcome: 'refused', cause: 'replaces-unsupported' })
    }
    const usage = new ReferUsage(this.#host.clock, options.timeoutMs ?? defaultTimeoutMs)
    this.#current = usage
    const held = options.hold === true ? await this.#hold() : undefined
    if (held !== undefined && held !== 'held') {
      this.#current = undefined
      return held
    }
    this.#publish('transferor', referTo, consultation !== undefined)
    const result = await this.#refer(usage, referTo, options)
    this.#publish('transferor', referTo, consultation !== undefined, result)
    if (result.outcome === 'transferred') this.#hangupLater(options, consultation)
    else if (held === 'held' && call.state === 'confirmed') await call.resume().catch(() => {})
    return result
  }

  async #refer(usage: ReferUsage, referTo: string, options: TransferOptions): Promise<TransferResult> {
    const { desk, call } = this.#host
    const session = this.#host.session()
    const { callId, localTag } = session
    desk.watch(callId, localTag, usage)
    if (options.onProgress !== undefined) {
      const { onProgress } = options
      usage.onProgress = ({ statusCode = 0, reasonPhrase }) => {
        try {
          onProgress({ statusCode, reasonPhrase })
        } catch (error) {
          reportListenerError('onProgress', error)
        }
      }
    }
    session
      .request('REFER', {
        headers: referHeaders(call, referTo, options),
        ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
      })
      .then(
        response => usage.answered(response),
        (error: unknown) => usage.unanswered(error),
      )
    void call.ended.then(() => usage.callEnded())
    void usage.ended.then(() => desk.unwatch(callId, localTag))
    return transferResult(await untilAborted(usage.ended, options.signal))
  }

  async #hold(): Promise<'held' | TransferResult> {
    try {
      await this.#host.call.hold()
      return 'held'
    } catch (error) {
      return transferResult({
        outcome: 'refused',
        cause: 'hold-refused',
        ...(error instanceof SipError ? { error } : {}),
        ...(hasStatus(error) ? { statusCode: error.statusCode } : {}),
      })
    }
  }

  /** The other party ends the call when it has reached the target (RFC 5589 §6.1); some forget. */
  #hangupLater(options: TransferOptions, consultation: TransferParty | undefined): void {
    const { hangupAfterMs = defaultHangupAfterMs } = options
    if (hangupAfterMs === false) return
    for (const call of [this.#host.call, consultation?.call]) {
      if (call === undefined || call.endedValue !== undefined) continue
      void call.sleep(hangupAfterMs).then(() => call.hangup())
    }
  }

  // ---- what comes in ----------------------------------------------------------------------------------------------

  /** REFER and NOTIFY in the call; false: not ours to answer. */
  receive(incoming: IncomingRequest): boolean {
    if (incoming.request.method === 'NOTIFY') return this.#notified(incoming)
    if (incoming.request.method === 'REFER') return this.#referred(incoming)
    return false
  }

  #notified(incoming: IncomingRequest): boolean {
    const usage = this.#current
    const news = usage === undefined ? undefined : readReferNotify(incoming.request)
    if (usage === undefined || news === undefined || !usage.isAbout(news)) return false
    incoming.respond(200)
    usage.notified(news)
    return true
  }

  #referred(incoming: IncomingRequest): boolean {
    const { call, clock, desk } = this.#host
    // Nobody asked to be told: the default answer is 603 (RFC 3515 §2.4.2).
    if (!this.#host.listened()) return false
    const order = readRefer(incoming.request)
    if ('statusCode' in order) {
      incoming.respond(order.statusCode, order)
      return true
    }
    if (this.#asked !== undefined && !this.#asked.decided) {
      incoming.respond(491)
      return true
    }
    if (!desk.takePending()) {
      incoming.respond(503, { headers: [['Retry-After', '10']] })
      return true
    }
    const referTo = order.target.toString()
    const attended = order.replaces !== undefined
    this.#publish('transferee', referTo, attended)
    const request = new TransferRequest({
      call,
      session: this.#host.session(),
      incoming,
      order,
      clock,
      place: (target, options) => desk.call(target, options),
      onDecided: () => desk.decided(),
    })
    this.#asked = request
    this.#host.emit(request)
    return true
  }

  #publish(
    role: 'transferor' | 'transferee',
    target: string,
    attended: boolean,
    result?: TransferResult,
  ): void {
    if (!callChannel.hasSubscribers) return
    const { endpoint, call } = this.#host
    callChannel.publish({
      kind: 'transfer',
      endpoint,
      call,
      role,
      target,
      attended,
      ...(result === undefined ? {} : { result }),
    })
  }
}

function blindReferTo(target: string, options: TransferOptions): string {
  return writeReferTo(parseTransferTarget(target, 'target'), [...(options.targetHeaders ?? [])])
}

/**
 * Refer-To of an attended transfer: where the target itself is (its Contact), and the call there that the new one takes the place of
 * (RFC 5589 §7.3).
 */
function attendedReferTo({ session, call }: TransferParty, own: Call, options: TransferOptions): string {
  if (call === own) throw new SipError('SIP_STATE', 'a call cannot be transferred to itself')
  const { remoteTag, callId, localTag } = session
  const remoteTarget = session.dialog?.remoteTarget
  // One that rings at the target cannot be replaced from outside (RFC 3891 §3): only one that rings here can.
  const early = call.state === 'early' && call.direction === 'inbound'
  if ((call.state !== 'confirmed' && !early) || remoteTag === undefined || remoteTarget === undefined) {
    throw new SipError(
      'SIP_STATE',
      `the call to transfer to is ${call.state}; give one that is up, or a URI for a blind transfer`,
    )
  }
  const target =
    options.referTo === undefined
      ? new NameAddr({ uri: remoteTarget })
      : parseTarget(options.referTo, 'referTo')
  return writeReferTo(
    target,
    [...(options.targetHeaders ?? [])],
    replacesFor({ callId, localTag, remoteTag }, early),
  )
}

/** Whether the other side names what it supports, and Replaces is not among it. */
function deniesReplaces(values: readonly string[] = []): boolean {
  if (values.length === 0) return false
  try {
    return !values.some(value => Supported.parse(value).some(tag => tag.toLowerCase() === 'replaces'))
  } catch {
    return false
  }
}

function referHeaders(
  call: Call,
  referTo: string,
  options: TransferOptions,
): readonly (readonly [string, string])[] {
  const { referredBy, notify, headers = [] } = options
  const by =
    referredBy === undefined
      ? new NameAddr({ uri: call.local.uri }).toString()
      : referredBy === false
        ? undefined
        : parseTransferTarget(referredBy, 'referredBy').toString()
  return [
    ['Refer-To', referTo],
    ...(by === undefined ? [] : [['Referred-By', by] as const]),
    ...(notify === false ? [['Refer-Sub', 'false'] as const] : []),
    ...headers,
  ]
}

function hasStatus(error: unknown): error is { readonly statusCode: number } {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
}

/** A REFER cannot be taken back; who aborts stops waiting. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    stop = () => signal.removeEventListener('abort', onAbort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    stop?.()
  }
}

/** A session as an INVITE with Replaces sees it. */
export function replaceableDialog(
  session: InviteSession,
  forkTags: ReadonlySet<string> | undefined,
): ReplaceableDialog | undefined {
  const { callId, localTag, remoteTag, role, state } = session
  if (state !== 'early' && state !== 'confirmed' && state !== 'terminated') return undefined
  const remoteTags = remoteTag === undefined ? [...(forkTags ?? [])] : [remoteTag]
  return { callId, localTag, remoteTags, role, state }
}
