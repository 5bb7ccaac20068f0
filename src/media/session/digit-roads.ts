import { OptionError } from '../../runtime/errors.ts'

/** How a digit travels: as an event in RTP (RFC 4733), in a SIP INFO, or as the tones of its key in the audio. */
export type DtmfRoad = 'rtp' | 'info' | 'inband'

/** Roads digits may take, both ways. What a call leaves out its trunk says, and what that leaves out the endpoint. */
export interface DtmfSettings {
  /**
   * Roads that digits are taken from; default all of them. An INFO with digits goes to handlers of INFO where `info` is left out. Telephone
   * events are not offered where `rtp` is neither received nor sent by.
   */
  readonly receive?: readonly DtmfRoad[]
  /**
   * Road of the digits we send, unless `sendDtmf` names one. `auto` (default): events where the peer agreed on them, else INFO where its Allow
   * names that, else tones.
   */
  readonly send?: 'auto' | DtmfRoad
  /** When the audio is searched for tones: while no telephone events are agreed on (`auto`, default), or `always`. It costs some 7 µs per 20 ms. */
  readonly inband?: 'auto' | 'always'
}

export interface ResolvedDtmf {
  readonly receive: ReadonlySet<DtmfRoad>
  readonly send: 'auto' | DtmfRoad
  readonly inband: 'auto' | 'always'
}

const roads: readonly DtmfRoad[] = ['rtp', 'info', 'inband']
const sends: readonly unknown[] = ['auto', ...roads]

/** @throws OptionError naming the field */
export function resolveDtmf(value: DtmfSettings = {}, field = 'dtmf'): ResolvedDtmf {
  const { receive = roads, send = 'auto', inband = 'auto' } = value
  if (!Array.isArray(receive))
    throw new OptionError(`${field}.receive`, `give a list of ${roads.join(', ')}; it may be empty`)
  const unknown = (receive as readonly DtmfRoad[]).find(road => !roads.includes(road))
  if (unknown !== undefined)
    throw new OptionError(`${field}.receive`, `${unknown} is none of ${roads.join(', ')}`)
  if (!sends.includes(send)) throw new OptionError(`${field}.send`, `${send} is none of ${sends.join(', ')}`)
  if (inband !== 'auto' && inband !== 'always')
    throw new OptionError(`${field}.inband`, `${inband as string} is none of auto, always`)
  return { receive: new Set(receive as readonly DtmfRoad[]), send, inband }
}

/** Whether telephone events have a place in our descriptions. */
export function offersEvents({ receive, send }: ResolvedDtmf): boolean {
  return receive.has('rtp') || send === 'auto' || send === 'rtp'
}
