import { OptionError, SipError } from '../../runtime/errors.ts'
import type { AudioSink } from '../../media/audio/audio-sink.ts'
import { DtmfGenerator } from '../../media/audio/dtmf-generator.ts'
import type { SendDtmfOptions } from '../../media/session/types.ts'
import type { StreamDialect } from '../streams/dialect.ts'

export interface DigitRoad {
  readonly dialect: StreamDialect
  readonly output: AudioSink
  /** False where the dialect has no such message. */
  readonly send: (digits: string) => boolean
}

/** What a key lasts unless told otherwise, and the pause after it, ms. */
const DIGIT_MS = 160
const GAP_MS = 80

/**
 * Presses keys: by the dialect's message where it has one, as tones when asked for `via: 'inband'`.
 * @throws OptionError; SipError SIP_STATE where there is neither
 */
export async function sendDigits(road: DigitRoad, digits: string, options: SendDtmfOptions): Promise<void> {
  const { dialect, output, send } = road
  if (!/^[0-9*#A-Dw,]{1,64}$/.test(digits)) {
    throw new OptionError('digits', 'give 1 to 64 of 0-9 * # A-D, and w or , for a pause')
  }
  options.signal?.throwIfAborted()
  if (options.via !== 'inband' && send(digits)) return
  if (options.via !== 'inband') {
    throw new SipError(
      'SIP_STATE',
      `the protocol ${dialect.name} has no message that presses keys; send tones: { via: 'inband' }`,
    )
  }
  await output.play(
    tones(output.sampleRate, digits, options),
    options.signal === undefined ? {} : { signal: options.signal },
  )
}

async function* tones(
  sampleRate: number,
  digits: string,
  options: SendDtmfOptions,
): AsyncGenerator<Int16Array> {
  const { durationMs = DIGIT_MS, gapMs = GAP_MS, volumeDbm0 = -10 } = options
  const samples = (ms: number): number => Math.round((ms * sampleRate) / 1000)
  const generator = new DtmfGenerator({ sampleRate })
  for (const digit of digits) {
    if (digit === 'w' || digit === ',') {
      yield new Int16Array(samples(500))
      continue
    }
    const key = new Int16Array(samples(durationMs + gapMs))
    generator.start(digit, durationMs, { volumeDbm0 })
    generator.render(key)
    yield key
  }
}
