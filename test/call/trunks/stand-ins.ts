/** What each carrier does on the wire, as data: what our side of a trunk has to live with. */
import type { DtmfRoad } from '../../../src/media/session/digit-roads.ts'
import type { CarrierName } from '../../../src/call/trunks/carriers.ts'
import type { WireQuirk } from './wire-quirks.ts'

export interface StandInFailure {
  readonly statusCode: number
  readonly reasonPhrase: string
  readonly headers?: readonly (readonly [string, string])[]
  /** What we are to read out of it. */
  readonly code?: string
  readonly text?: string
}

export interface StandIn {
  readonly carrier: CarrierName
  /** Asks for a password, with MD5 and this status. */
  readonly challenge?: 401 | 407
  /** Its challenge knows no qop. */
  readonly plainDigest?: boolean
  /** Takes REGISTER. */
  readonly registrar?: boolean
  /** Knows us by our address; others get this status, or no answer at all. */
  readonly sources?: 403 | 'silence'
  /** Requests for any other host get no answer. */
  readonly onlyItsHost?: boolean
  /** A header that has to be there on the first INVITE. */
  readonly firstInvite?: string
  /** The user part of the called and the calling number. */
  readonly number: RegExp
  readonly codecs: readonly string[]
  /** The road of its digits. */
  readonly dtmf: DtmfRoad
  readonly roads: readonly DtmfRoad[]
  /** What it does with a REFER of ours. */
  readonly refer: 'takes' | StandInFailure
  readonly wire?: readonly WireQuirk[]
  /** Repeats its 180 every so many milliseconds. */
  readonly ringsEveryMs?: number
  /** Puts us on hold by a re-INVITE of its own. */
  readonly holds?: boolean
  /** Asks us by OPTIONS whether we are there. */
  readonly pings?: boolean
  /** Takes a REFER only to a URI at its own host. */
  readonly refersToItself?: boolean
  /** It asks us to transfer. */
  readonly asksToRefer?: boolean
  /** What numbers that end with this fail with: `+15550486`. */
  readonly failures: readonly StandInFailure[]
  readonly cps?: { readonly limit: number; readonly failure: StandInFailure }
  /** Of its calls to us. */
  readonly headers: readonly (readonly [string, string])[]
  /** And what stands in our record for them. */
  readonly ids?: readonly { readonly field: string; readonly value: string }[]
}

const e164 = /^\+[1-9]\d{1,14}$/
const busy: StandInFailure = { statusCode: 486, reasonPhrase: 'Busy Here' }
const noNumber: StandInFailure = { statusCode: 404, reasonPhrase: 'Not Found' }
const noRefer: StandInFailure = { statusCode: 405, reasonPhrase: 'Method Not Allowed' }

export const standIns: readonly StandIn[] = [
  {
    carrier: 'twilio',
    challenge: 407,
    onlyItsHost: true,
    number: e164,
    codecs: ['PCMU', 'PCMA'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: 'takes',
    failures: [
      busy,
      {
        statusCode: 403,
        reasonPhrase: 'Forbidden',
        headers: [['X-Twilio-Error', '32203 Blocked by fraud protection']],
        code: '32203',
        text: 'Blocked by fraud protection',
      },
      {
        statusCode: 603,
        reasonPhrase: 'Decline',
        headers: [['X-Twilio-Error', '10001 Account is not active']],
        code: '10001',
        text: 'Account is not active',
      },
    ],
    cps: { limit: 30, failure: { statusCode: 503, reasonPhrase: 'CPS limit exceeded' } },
    headers: [
      ['X-Twilio-CallSid', 'CA0123456789abcdef0123456789abcdef'],
      ['X-Twilio-AccountSid', 'AC0123456789abcdef0123456789abcdef'],
      ['X-Twilio-VerStat', 'TN-Validation-Passed-A'],
    ],
    ids: [
      { field: 'callSid', value: 'CA0123456789abcdef0123456789abcdef' },
      { field: 'accountSid', value: 'AC0123456789abcdef0123456789abcdef' },
    ],
  },
  {
    carrier: 'telnyx',
    wire: ['compact-headers'],
    holds: true,
    challenge: 407,
    registrar: true,
    firstInvite: 'X-Telnyx-Username',
    number: e164,
    codecs: ['G722', 'PCMU', 'PCMA'],
    dtmf: 'info',
    roads: ['rtp', 'info', 'inband'],
    refer: { statusCode: 405, reasonPhrase: 'REFER not allowed D42', code: 'D42' },
    failures: [
      busy,
      { statusCode: 403, reasonPhrase: 'Caller Origination Number is Invalid D35', code: 'D35' },
    ],
    cps: { limit: 50, failure: { statusCode: 503, reasonPhrase: 'Service Unavailable' } },
    headers: [
      ['X-call_leg_id', '428c31b6-7af4-4bcb-b7f5-5013ef9657c1'],
      ['X-call_session_id', '428c31b6-abf3-3bc1-b7f4-5013ef9657c1'],
    ],
    ids: [
      { field: 'callLegId', value: '428c31b6-7af4-4bcb-b7f5-5013ef9657c1' },
      { field: 'callSessionId', value: '428c31b6-abf3-3bc1-b7f4-5013ef9657c1' },
    ],
  },
  {
    carrier: 'plivo',
    refersToItself: true,
    holds: true,
    challenge: 407,
    onlyItsHost: true,
    number: e164,
    codecs: ['PCMA', 'PCMU'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: 'takes',
    failures: [busy, noNumber],
    cps: { limit: 2, failure: { statusCode: 503, reasonPhrase: 'Service Unavailable' } },
    headers: [],
  },
  {
    carrier: 'vonage',
    challenge: 401,
    number: /^[1-9]\d{1,14}$/,
    codecs: ['PCMA', 'PCMU', 'G722'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: noRefer,
    failures: [busy, noNumber],
    headers: [],
  },
  {
    carrier: 'infobip',
    pings: true,
    sources: 403,
    registrar: true,
    number: e164,
    codecs: ['PCMU', 'PCMA'],
    dtmf: 'inband',
    roads: ['inband'],
    refer: noRefer,
    failures: [busy, noNumber],
    headers: [],
  },
  {
    carrier: 'livekit',
    plainDigest: true,
    ringsEveryMs: 1_000,
    challenge: 407,
    number: e164,
    codecs: ['PCMU', 'PCMA', 'G722'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: noRefer,
    asksToRefer: true,
    failures: [noNumber, { statusCode: 400, reasonPhrase: 'Bad Request' }],
    headers: [],
  },
  {
    carrier: 'openai',
    wire: ['no-content-type', 'contact-without-transport'],
    number: /^(?:proj_\w+|\+?\d+)$/,
    codecs: ['PCMU'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: noRefer,
    asksToRefer: true,
    failures: [],
    headers: [],
  },
  {
    carrier: 'voicerun',
    challenge: 407,
    number: e164,
    codecs: ['PCMU', 'PCMA'],
    dtmf: 'rtp',
    roads: ['rtp'],
    refer: noRefer,
    failures: [busy],
    headers: [],
  },
  {
    carrier: 'asterisk',
    challenge: 401,
    registrar: true,
    number: /^[\w+]+$/,
    codecs: ['PCMU', 'PCMA', 'G722'],
    dtmf: 'info',
    roads: ['rtp', 'info', 'inband'],
    refer: 'takes',
    asksToRefer: true,
    failures: [busy, noNumber],
    headers: [],
  },
  {
    carrier: 'freeswitch',
    challenge: 407,
    registrar: true,
    number: /^[\w+]+$/,
    codecs: ['PCMU', 'PCMA', 'G722'],
    dtmf: 'rtp',
    roads: ['rtp', 'info', 'inband'],
    refer: 'takes',
    asksToRefer: true,
    failures: [busy, noNumber],
    headers: [],
  },
  {
    carrier: 'generic',
    sources: 'silence',
    number: /^[\w+]+$/,
    codecs: ['PCMU', 'PCMA'],
    dtmf: 'rtp',
    roads: ['rtp', 'info', 'inband'],
    refer: 'takes',
    failures: [busy, noNumber],
    headers: [],
  },
]
