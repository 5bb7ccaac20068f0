import type { Call } from '../call/call.ts'
import type { CarrierId, CarrierIdHeader } from '../call/carrier-ids.ts'
import { carrierIds, carrierIdHeaders } from '../call/carrier-ids.ts'
import type { CallDiagnostics } from '../call/diagnostics.ts'
import { callChannel } from '../call/diagnostics.ts'
import type { CallEnded } from '../call/call-ended.ts'
import { streamChannel } from '../call/stream-events.ts'
import type { StreamEvent } from '../call/stream-events.ts'
import { engineChannel } from '../call/engine-events.ts'
import { routeChannel } from '../call/routing/route-events.ts'
import type { EngineEvent } from '../call/engine-events.ts'
import { mediaDtmfChannel, mediaEventChannel } from '../media/session/diagnostics.ts'
import type { MediaDtmfEvent, MediaEvent } from '../media/session/types.ts'
import { guard } from '../runtime/diagnostics.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Clock } from '../runtime/runtime.ts'
import type { MessageEvent } from '../sip/transport/diagnostics.ts'
import { failoverChannel } from '../sip/transaction/diagnostics.ts'
import type { FailoverEvent } from '../sip/transaction/diagnostics.ts'
import { writeLeaving } from '../sip/transport/locating/left-server.ts'
import { messageChannel } from '../sip/transport/diagnostics.ts'
import type { CallMedia, CallRecord, CallTimes } from './call-record.ts'
import { admissionOf, callMedia } from './call-record.ts'
import { noteEngine } from './engines.ts'
import type { EngineRecord } from './engines.ts'
import { noteRoute } from './routes.ts'
import type { RouteRecord } from './routes.ts'
import { Journal } from './journal.ts'
import type { LadderEntry } from './ladder.ts'
import type { KnownCall } from './known-call.ts'
import { knownCall } from './known-call.ts'
import { formatLadder, summarise } from './ladder.ts'
import { callKey, methodOf, placeOf } from './parties.ts'
import type { MessagePlace } from './parties.ts'
import type { KeptTransfers } from './transfers.ts'
import { beginningOf, streamedCall, streamedMedia } from './streams.ts'
import { noteTransfer } from './transfers.ts'

export interface TraceOptions {
  /** Whose calls. */
  readonly endpoint: { readonly clock: Clock }
  /** File to append one JSON line to when a call begins and one when it ends: `{ "event": "began" | "ended", "record": … }`. */
  readonly journal?: string
  /** Hears of each record when its call has ended. */
  readonly onRecord?: (record: CallRecord) => void
  /** Show `*` for each digit, in records and ladders. Default false. */
  readonly maskDigits?: boolean
  /** Ended calls kept for `record()` and `ladder()`; the oldest go first. Default 1,000. */
  readonly keepCalls?: number
  /** Ladder entries kept a call; later ones are only counted. Default 500. */
  readonly keepEntries?: number
  /** Headers that name the call at a carrier, besides the known ones. */
  readonly carrierHeaders?: readonly CarrierIdHeader[]
}

/** What the trace keeps of one call at the most; more is counted. */
const most = { digits: 256, recordings: 64, textLength: 200 }

/** What the trace holds of one call, or of an INVITE that never became one. */
interface CallTrace {
  readonly key: string
  readonly callId: string
  /** Of its first INVITE. */
  attempt: string | undefined
  readonly entries: LadderEntry[]
  dropped: number
  readonly at: { [Moment in keyof CallTimes]?: number }
  dialled: string
  peer: string | undefined
  peerName: string
  localName: string
  /** The call itself only while it is under way. */
  call: Call | KnownCall | undefined
  answered: boolean
  ended: CallEnded | undefined
  media: CallMedia | undefined
  digitsReceived: string
  digitsSent: string
  digitsDropped: number
  /** From responses; those of the INVITE are still with the call. */
  readonly carrierIds: CarrierId[]
  readonly recordings: string[]
  recordingsDropped: number
  readonly transfers: KeptTransfers
  readonly engines: EngineRecord[]
  readonly routes: RouteRecord[]
}

/**
 * Listens to the diagnostics channels of one endpoint and keeps, for each call, its record and its ladder. Nothing in the
 * library knows of it: without a trace the channels cost one property read a message.
 */
export class Trace {
  readonly #options: Required<Pick<TraceOptions, 'endpoint' | 'maskDigits' | 'keepCalls' | 'keepEntries'>>
  readonly #onRecord: ((record: CallRecord) => void) | undefined
  readonly #carrierHeaders: readonly CarrierIdHeader[]
  readonly #journal: Journal | undefined
  readonly #subscriptions: readonly (() => void)[]
  /** The latest call of each key, under way or kept. */
  readonly #byKey = new Map<string, CallTrace>()
  /** The latest call of each Call-ID, under way or kept. */
  readonly #byCallId = new Map<string, CallTrace>()
  /** By our id, calls under way (bounded by the endpoint's own limit on calls) and kept. */
  readonly #byId = new Map<string, CallTrace>()
  /** Calls that ended and INVITEs that never became one, oldest first; bounded by `keepCalls`. */
  readonly #kept = new Set<CallTrace>()

  /** @throws OptionError when the journal cannot be opened or a bound is not a positive number */
  constructor(options: TraceOptions) {
    this.#options = {
      endpoint: options.endpoint,
      maskDigits: options.maskDigits ?? false,
      keepCalls: positive(options.keepCalls ?? 1_000, 'keepCalls'),
      keepEntries: positive(options.keepEntries ?? 500, 'keepEntries'),
    }
    this.#onRecord = options.onRecord && guard('onRecord of a Trace', options.onRecord)
    this.#carrierHeaders = [...carrierIdHeaders, ...(options.carrierHeaders ?? [])]
    this.#journal = options.journal === undefined ? undefined : new Journal(options.journal)
    this.#subscriptions = [
      messageChannel.subscribe(event => this.#message(event)),
      failoverChannel.subscribe(event => this.#failover(event)),
      callChannel.subscribe(event => this.#call(event)),
      mediaDtmfChannel.subscribe(event => this.#dtmf(event)),
      mediaEventChannel.subscribe(event => this.#media(event)),
      engineChannel.subscribe(event => this.#engine(event)),
      routeChannel.subscribe(event => {
        const trace = this.#byId.get(event.call)
        if (trace !== undefined)
          this.#note(trace, this.#options.endpoint.clock.now(), noteRoute(trace.routes, event))
      }),
      streamChannel.subscribe(event => this.#stream(event)),
    ]
  }

  /** Our ids of the calls the trace still knows, oldest first. */
  get calls(): readonly string[] {
    return [...this.#byId.keys()]
  }

  /** Journal lines that could not be written. */
  get failedWrites(): number {
    return this.#journal?.failed ?? 0
  }

  /** `id` is ours, or the Call-ID for the latest call that has it; undefined for a call the trace does not know (any more). */
  record(id: string): CallRecord | undefined {
    const trace = this.#find(id)
    return trace?.call === undefined ? undefined : this.#recordOf(trace, trace.call)
  }

  /** The SIP messages of a call, with what happened to its media between them, as text. `id` as for `record`. */
  ladder(id: string): string | undefined {
    const trace = this.#find(id)
    if (trace === undefined) return undefined
    const title = `call ${trace.call?.id ?? '(refused before it became one)'}   Call-ID ${trace.callId}`
    return formatLadder({
      title,
      peer: trace.peerName,
      local: trace.localName,
      entries: trace.entries,
      dropped: trace.dropped,
    })
  }

  /** Ends the subscriptions and closes the journal. Idempotent. */
  close(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe()
    this.#journal?.close()
  }

  #find(id: string): CallTrace | undefined {
    return this.#byId.get(id) ?? this.#byCallId.get(id)
  }

  #message(event: MessageEvent): void {
    const { message } = event
    if (event.endpoint !== this.#options.endpoint || message === undefined) return
    const place = placeOf(message, event.direction)
    const trace = place === undefined ? undefined : this.#traceAt(place, message.callId)
    if (trace === undefined) return
    if (trace.peer === undefined) setPeer(trace, event)
    const bytes = event.bytes.byteLength
    this.#add(trace, {
      kind: 'message',
      at: event.at,
      direction: event.direction,
      text: `${shortened(summarise(message))}  ${bytes} B`,
    })
    this.#noteIds(trace, event)
    noteMoment(trace, message, event.at)
  }

  /** Makes a trace for the INVITE that begins a call, also where it is another attempt at one that failed. */
  #traceAt({ keys, attempt }: MessagePlace, callId: string): CallTrace | undefined {
    const [key] = keys
    const found = keys.map(each => this.#byKey.get(each)).find(trace => trace !== undefined)
    if (attempt === undefined || key === undefined) return found
    const over = found !== undefined && (found.call === undefined || found.ended !== undefined)
    const another = found?.attempt !== undefined && found.attempt !== attempt
    const trace = found === undefined || (over && another) ? this.#newTrace(key, callId) : found
    trace.attempt ??= attempt
    return trace
  }

  #call(event: CallDiagnostics): void {
    if (event.endpoint !== this.#options.endpoint) return
    const { call } = event
    const at = this.#options.endpoint.clock.now()
    if (event.kind === 'began') return this.#began(call)
    const trace = this.#byId.get(call.id)
    if (trace === undefined || trace.ended !== undefined) return
    if (event.kind === 'hold') this.#note(trace, at, `${event.by} hold ${event.active ? 'on' : 'off'}`)
    if (event.kind === 'state' && event.state === 'confirmed') trace.answered = true
    if (event.kind === 'recording') noteRecording(trace, event.file)
    if (event.kind === 'transfer') this.#note(trace, at, noteTransfer(trace.transfers, event))
    if (event.kind === 'ended') this.#ended(trace, call, event.ended, at)
  }

  #began(call: Call): void {
    const { callId, direction } = call
    const key = callKey(direction, callId, (direction === 'inbound' ? call.remote : call.local).tag)
    const waiting = this.#byKey.get(key)
    const trace = waiting !== undefined && waiting.call === undefined ? waiting : this.#newTrace(key, callId)
    this.#kept.delete(trace)
    trace.call = call
    this.#byId.set(call.id, trace)
    this.#journal?.append({ event: 'began', record: this.#recordOf(trace, call) })
  }

  #ended(trace: CallTrace, call: Call, ended: CallEnded, at: number): void {
    trace.media = mediaOf(call)
    trace.call = knownCall(call, this.#carrierHeaders)
    this.#close(trace, trace.call, ended, at)
  }

  #close(trace: CallTrace, call: KnownCall, ended: CallEnded, at: number): void {
    trace.ended = ended
    trace.at.end ??= at
    this.#note(trace, at, `ended by ${ended.by}: ${ended.cause}`)
    this.#keep(trace)
    const record = this.#recordOf(trace, call)
    this.#journal?.append({ event: 'ended', record })
    this.#onRecord?.(record)
  }

  #failover({ endpoint, at, method, callId, left, next }: FailoverEvent): void {
    const trace = endpoint === this.#options.endpoint ? this.#byCallId.get(callId) : undefined
    if (trace !== undefined) this.#note(trace, at, writeLeaving(method, left, next))
  }

  #dtmf(event: MediaDtmfEvent): void {
    const trace = this.#mediaTrace(event.call)
    if (trace === undefined) return
    const digit = this.#options.maskDigits ? '*' : event.digit
    const digits = event.direction === 'in' ? 'digitsReceived' : 'digitsSent'
    if (trace[digits].length < most.digits) trace[digits] += digit
    else trace.digitsDropped += 1
    const text = event.direction === 'in' ? `digit ${digit} received` : `digit ${digit} sent`
    this.#note(trace, event.at, `${text} (${Math.round(event.durationMs)} ms)`)
  }

  #media(event: MediaEvent): void {
    const trace = this.#mediaTrace(event.call)
    if (trace === undefined) return
    const remote = event.remote === undefined ? '' : ` ${event.remote.address}:${event.remote.port}`
    const detail = [event.codec, event.encryption, event.direction, event.file, event.error]
      .filter(part => part !== undefined)
      .join(' ')
    this.#note(trace, event.at, `media ${event.kind}${detail === '' ? '' : ` ${detail}`}${remote}`)
  }

  #engine(event: EngineEvent): void {
    const trace = this.#byId.get(event.call)
    if (trace !== undefined)
      this.#note(trace, this.#options.endpoint.clock.now(), noteEngine(trace.engines, event))
  }

  /** A call that came over a carrier's WebSocket. */
  #stream(event: StreamEvent): void {
    if (event.endpoint !== this.#options.endpoint) return
    if (event.kind === 'began') {
      const call = streamedCall(event)
      const trace = this.#newTrace(callKey('inbound', event.callId, event.call), event.callId)
      this.#kept.delete(trace)
      Object.assign(trace, beginningOf(event), { call })
      this.#byId.set(event.call, trace)
      this.#note(trace, event.at, `stream ${event.dialect} started`)
      this.#journal?.append({ event: 'began', record: this.#recordOf(trace, call) })
      return
    }
    const trace = this.#byId.get(event.call)
    if (trace?.call === undefined || trace.ended !== undefined || !('carrierIds' in trace.call)) return
    if (event.kind === 'transfer') {
      const asked = { ...event, role: 'transferor', attended: false } as const
      return this.#note(trace, event.at, noteTransfer(trace.transfers, asked))
    }
    trace.media = streamedMedia(event.media)
    this.#close(trace, trace.call, event.ended, event.at)
  }

  #mediaTrace(id: string | undefined): CallTrace | undefined {
    return id === undefined ? undefined : this.#byId.get(id)
  }

  #newTrace(key: string, callId: string): CallTrace {
    const trace: CallTrace = {
      key,
      callId,
      attempt: undefined,
      entries: [],
      dropped: 0,
      at: {},
      dialled: '',
      peer: undefined,
      peerName: 'peer',
      localName: 'offhook',
      call: undefined,
      answered: false,
      ended: undefined,
      media: undefined,
      digitsReceived: '',
      digitsSent: '',
      digitsDropped: 0,
      carrierIds: [],
      transfers: { list: [], targets: [] },
      engines: [],
      routes: [],
      recordings: [],
      recordingsDropped: 0,
    }
    this.#byKey.set(key, trace)
    this.#byCallId.set(callId, trace)
    this.#keep(trace)
    return trace
  }

  #keep(trace: CallTrace): void {
    this.#kept.add(trace)
    for (const oldest of this.#kept) {
      if (this.#kept.size <= this.#options.keepCalls) break
      this.#kept.delete(oldest)
      if (this.#byKey.get(oldest.key) === oldest) this.#byKey.delete(oldest.key)
      if (this.#byCallId.get(oldest.callId) === oldest) this.#byCallId.delete(oldest.callId)
      if (oldest.call !== undefined) this.#byId.delete(oldest.call.id)
    }
  }

  /** A carrier names a call that we make in its responses. */
  #noteIds(trace: CallTrace, { message, direction }: MessageEvent): void {
    if (message?.kind !== 'response' || direction !== 'in') return
    if (message.statusCode <= 100 || message.statusCode >= 300 || methodOf(message) !== 'INVITE') return
    addIds(trace.carrierIds, carrierIds(message.headers, this.#carrierHeaders))
  }

  #note(trace: CallTrace, at: number, text: string): void {
    this.#add(trace, { kind: 'event', at, text })
  }

  #add(trace: CallTrace, entry: LadderEntry): void {
    if (trace.entries.length < this.#options.keepEntries) trace.entries.push(entry)
    else trace.dropped += 1
  }

  #recordOf(trace: CallTrace, traced: Call | KnownCall): CallRecord {
    const { at } = trace
    const call = 'carrierIds' in traced ? traced : knownCall(traced, this.#carrierHeaders)
    const ids = [...call.carrierIds]
    addIds(ids, trace.carrierIds)
    return {
      id: call.id,
      callId: trace.callId,
      carrierIds: ids,
      direction: call.direction,
      state: trace.ended === undefined ? 'in progress' : 'ended',
      personal: {
        from: call.from,
        to: call.to,
        dialled: trace.dialled,
        ...(call.admission?.user === undefined ? {} : { admittedUser: call.admission.user }),
        digitsReceived: trace.digitsReceived,
        digitsSent: trace.digitsSent,
        ...(trace.ended?.targets === undefined ? {} : { redirectTargets: trace.ended.targets }),
        ...(trace.transfers.list.length === 0 ? {} : { transferTargets: [...trace.transfers.targets] }),
      },
      ...admissionOf(call.admission),
      ...(trace.peer === undefined ? {} : { peer: trace.peer }),
      times: this.#times(trace),
      ...(trace.answered && at.invite !== undefined && at.final !== undefined
        ? { setupMs: at.final - at.invite }
        : {}),
      ...(trace.ended === undefined ? {} : { durationMs: trace.ended.durationMs, ended: plain(trace.ended) }),
      ...(trace.media === undefined ? {} : { media: trace.media }),
      recordings: [...trace.recordings],
      ...(trace.routes.length === 0 ? {} : { routes: [...trace.routes] }),
      ...(trace.engines.length === 0 ? {} : { engines: [...trace.engines] }),
      ...(trace.transfers.list.length === 0 ? {} : { transfers: [...trace.transfers.list] }),
      ...(trace.digitsDropped === 0 ? {} : { digitsDropped: trace.digitsDropped }),
      ...(trace.recordingsDropped === 0 ? {} : { recordingsDropped: trace.recordingsDropped }),
    }
  }

  #times(trace: CallTrace): CallTimes {
    const { clock } = this.#options.endpoint
    const offset = clock.wallTime() - clock.now()
    return Object.fromEntries(
      Object.entries(trace.at).map(([moment, at]) => [moment, new Date(at + offset).toISOString()]),
    )
  }
}

function setPeer(trace: CallTrace, { local, remote, transport }: MessageEvent): void {
  trace.peerName = `${remote.address}:${remote.port}`
  trace.localName = `offhook ${local.address}:${local.port}`
  trace.peer = `${transport}:${trace.peerName}`
}

function noteRecording(trace: CallTrace, file: string): void {
  if (trace.recordings.length < most.recordings) trace.recordings.push(file)
  else trace.recordingsDropped += 1
}

/** Each field of a carrier once: the first value stays. */
function addIds(ids: CarrierId[], more: readonly CarrierId[]): void {
  for (const id of more) {
    if (!ids.some(({ carrier, field }) => carrier === id.carrier && field === id.field)) ids.push(id)
  }
}

/** The peer chose its length. A copy: a slice would keep the whole of it in memory. */
function shortened(text: string): string {
  return text.length <= most.textLength ? text : `${Buffer.from(text.slice(0, most.textLength)).toString()}…`
}

function noteMoment(trace: CallTrace, message: NonNullable<MessageEvent['message']>, at: number): void {
  if (message.kind === 'request') {
    if (message.method === 'INVITE') {
      trace.at.invite ??= at
      trace.dialled ||= dialledNumber(message.requestUri)
    }
    if (message.method === 'ACK') trace.at.ack ??= at
    if (message.method === 'BYE' || message.method === 'CANCEL') trace.at.end ??= at
    return
  }
  if (methodOf(message) !== 'INVITE') return
  if (message.statusCode === 100) trace.at.trying ??= at
  else if (message.statusCode < 200) trace.at.ringing ??= at
  else if (message.statusCode !== 401 && message.statusCode !== 407) trace.at.final ??= at
}

function dialledNumber(requestUri: string): string {
  return /^(?:sips?|tel):(?<user>[^@;?>:]+)/i.exec(requestUri)?.groups?.['user'] ?? ''
}

function mediaOf(call: Call): CallMedia | undefined {
  try {
    const { codec, stats } = call.media
    return callMedia(codec.name, stats.call(call.media))
  } catch {
    return undefined
  }
}

function plain(ended: CallEnded): NonNullable<CallRecord['ended']> {
  const { error, durationMs: _, targets: __, ...rest } = ended
  return error === undefined ? rest : { ...rest, error: error.message }
}

function positive(value: number, field: string): number {
  if (!Number.isInteger(value) || value < 1)
    throw new OptionError(field, `${value} is not a whole number of 1 or more`)
  return value
}
