import type { Clock } from '../runtime/runtime.ts'
import type { Refusal } from '../sip/dialog/core-types.ts'
import { localKey } from '../sip/dialog/dialog-id.ts'
import { readReferNotify } from '../sip/dialog/refer-notify.ts'
import type { ReferUsage } from '../sip/dialog/refer-usage.ts'
import type { ReplaceableDialog } from '../sip/dialog/replaces.ts'
import { judgeReplaces, readReplaces, refersTo } from '../sip/dialog/replaces.ts'
import type { IncomingRequest } from '../sip/dialog/session-types.ts'
import type { DialogReference } from '../sip/message/headers/session.ts'
import type { SipRequest } from '../sip/message/message.ts'
import type { Call } from './call.ts'
import type { CallOptions } from './outgoing-call.ts'

/** Transfers others ask for that wait for a decision, over all calls; one more is answered 503. */
const MAX_PENDING = 100

/** Calls that ended, remembered so that a Replaces that comes too late is declined and not unknown (RFC 3891 §3). */
const MAX_ENDED = 256
const ENDED_MS = 32_000

/** What the transfers of one endpoint share. */
export class TransferDesk {
  /** Places the call a transfer asks for. */
  readonly call: (target: string, options: CallOptions) => Promise<Call>
  readonly #clock: Clock
  readonly #calls: ReadonlySet<Call>
  readonly #usages = new Map<string, ReferUsage>()
  readonly #ended: { readonly dialog: ReplaceableDialog; readonly at: number }[] = []
  #pending = 0
  #turnedAway = 0

  constructor(init: {
    readonly clock: Clock
    readonly calls: ReadonlySet<Call>
    readonly call: (target: string, options: CallOptions) => Promise<Call>
  }) {
    this.#clock = init.clock
    this.#calls = init.calls
    this.call = init.call
  }

  /** REFERs answered 503 because too many waited. */
  get turnedAway(): number {
    return this.#turnedAway
  }

  /** Room for one more undecided request; give it back with `decided`. */
  takePending(): boolean {
    if (this.#pending >= MAX_PENDING) {
      this.#turnedAway++
      return false
    }
    this.#pending++
    return true
  }

  decided(): void {
    this.#pending--
  }

  /** Until `unwatch`, NOTIFYs of that dialog find the REFER even if the call is over (RFC 5057 §4.1). */
  watch(callId: string, localTag: string, usage: ReferUsage): void {
    this.#usages.set(localKey(callId, localTag), usage)
  }

  unwatch(callId: string, localTag: string): void {
    this.#usages.delete(localKey(callId, localTag))
  }

  /** A NOTIFY in a dialog whose call is over. */
  receiveLate(incoming: IncomingRequest): boolean {
    const { request } = incoming
    const usage = this.#usages.get(localKey(request.callId, request.to.tag ?? ''))
    if (usage === undefined) return false
    const news = readReferNotify(request)
    if (news === undefined || !usage.isAbout(news)) return false
    incoming.respond(200)
    usage.notified(news)
    return true
  }

  remember(call: Call): void {
    const { dialog } = call
    if (dialog === undefined) return
    this.#ended.push({ dialog, at: this.#clock.now() })
    if (this.#ended.length > MAX_ENDED) this.#ended.shift()
  }

  /** What an INVITE with Replaces is refused with; undefined: nothing against it. */
  refusalOf(request: SipRequest): Refusal | undefined {
    const replaces = readReplaces(request)
    if (replaces === undefined || 'statusCode' in replaces) return replaces
    const { reference } = replaces
    const verdict = judgeReplaces(reference, this.#find(reference)?.dialog ?? this.#findEnded(reference))
    return verdict === 'replace' ? undefined : verdict
  }

  /** The call that an INVITE takes the place of. */
  replacedBy(invite: SipRequest): Call | undefined {
    const replaces = readReplaces(invite)
    if (replaces === undefined || 'statusCode' in replaces) return undefined
    return this.#find(replaces.reference)
  }

  #find(reference: DialogReference): Call | undefined {
    for (const call of this.#calls) {
      if (call.dialog !== undefined && refersTo(reference, call.dialog)) return call
    }
    return undefined
  }

  #findEnded(reference: DialogReference): ReplaceableDialog | undefined {
    const since = this.#clock.now() - ENDED_MS
    return this.#ended.find(({ dialog, at }) => at >= since && refersTo(reference, dialog))?.dialog
  }
}
