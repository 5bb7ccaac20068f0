/** What is known of a carrier, as data. Facts nobody could confirm are no rules here: they are options of the trunk. */
import type { DtmfSettings, DtmfRoad } from '../../media/session/digit-roads.ts'
import type { SrtpMode } from '../../media/session/srtp-options.ts'
import type { CarrierIdHeader } from '../carrier-ids.ts'
import type { CodecName } from '../options.ts'
import type { NumberFormat } from './numbers.ts'

export type TrunkTransport = 'udp' | 'tcp' | 'tls'

/**
 * How the carrier knows us.
 * - `digest`: a user name and password, asked for with 401 or 407
 * - `register`: the same, and we register with it first; calls to us come over that registration
 * - `address`: by the address we call from, which is entered at the carrier
 * - `token`: by a header with a secret
 * - `certificate`: by our TLS client certificate (`tls.cert` of the endpoint)
 * - `none`: it takes the call and decides later
 */
export type TrunkAuth = 'digest' | 'register' | 'address' | 'token' | 'certificate' | 'none'

export interface Carrier {
  /** As in `trunks.twilio`. */
  readonly name: string
  readonly title: string
  /**
   * Hosts by edge, the first being used when none is named. `{account}` stands for what is ours in it. None: the host is asked for.
   */
  readonly edges: Readonly<Record<string, string>>
  /** The host of an edge that is not in the table: `{edge}` is replaced, too. */
  readonly anyEdge?: string
  /** What `account` is at this carrier; undefined where none is needed. */
  readonly account?: string
  /** Calls go to this user at the host in place of a number; `{account}` is replaced. */
  readonly fixedUser?: string
  /** The first is used when none is named. */
  readonly transports: readonly TrunkTransport[]
  readonly auth: readonly TrunkAuth[]
  /** Offered, in this order, unless the trunk says otherwise; undefined: as the endpoint says. */
  readonly codecs?: readonly CodecName[]
  /** All it takes; undefined where that is not known. */
  readonly knownCodecs?: readonly string[]
  readonly dtmf?: DtmfSettings
  /** Roads of digits it knows; undefined where that is not known. */
  readonly dtmfRoads?: readonly DtmfRoad[]
  /** SRTP of a trunk with `secure`, and of one without. */
  readonly srtp: { readonly secure: SrtpMode; readonly plain?: SrtpMode }
  /** SDES suites it takes, in order of preference; undefined where that is not known. */
  readonly srtpSuites?: readonly string[]
  readonly numbers: NumberFormat
  readonly headers?: CarrierHeaders
  /** Calls a second it takes from one customer; undefined where nothing is published. */
  readonly cps?: number
  /** Whether OPTIONS is known, or may be supposed, to be answered. */
  readonly options: boolean
  /** Whether REFER is taken, as far as known. */
  readonly refer?: boolean
  /** Addresses its calls come from; they change, see its own documentation. */
  readonly sources?: readonly string[]
  /** Headers in which it names a call. */
  readonly ids?: readonly CarrierIdHeader[]
  /** Where it says why a call failed. */
  readonly failure?: CarrierFailureSource
}

export interface CarrierHeaders {
  /** Beginnings of names that are the carrier's own, lower case: from us they are refused or dropped. */
  readonly reserved?: readonly string[]
  /** Beginnings of the only `X-` headers that it passes on, as they are written. */
  readonly passes?: readonly string[]
  /** Carries the user name on the very first INVITE, before any challenge. */
  readonly username?: string
  /** Carries the secret of `auth: 'token'`. */
  readonly token?: string
}

export interface CarrierFailureSource {
  /** A header of the form `CODE TEXT`. */
  readonly header?: string
  /** Finds the code in the reason phrase. */
  readonly reason?: RegExp
}
