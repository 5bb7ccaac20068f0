/** A carrier that brings a call over a WebSocket: its dialect, its signature, and its buffer, which it plays in step with time. */

import { once } from 'node:events'
import twilio from 'twilio'
import { WebSocket } from 'ws'
import {
  type DialectName,
  type StreamAuth,
  dialects,
  plivoSignature,
  signVonageToken,
} from '../../src/agent/index.ts'
import { AudioDecoder, encodeAudio } from '../../src/agent/streams/audio-format.ts'
import type { StreamFormat, StreamMessage } from '../../src/agent/streams/dialect.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { until } from '../within.ts'

/** What the carriers were told. */
export const publicUrl = 'wss://voice.example.com'

export interface Carrier {
  readonly dialect: DialectName
  readonly auth: StreamAuth
  readonly headers: () => Record<string, string>
  readonly format: StreamFormat
  /** Its messages as they are, before the first audio. */
  readonly start: readonly object[]
}

const ulaw: StreamFormat = { encoding: 'PCMU', sampleRate: 8000 }
const url = (dialect: string): string => `${publicUrl}/${dialect}`

export const carriers: readonly Carrier[] = [
  {
    dialect: 'twilio',
    auth: { kind: 'twilio', authToken: 'token' },
    headers: () => ({ 'x-twilio-signature': twilio.getExpectedTwilioSignature('token', url('twilio'), {}) }),
    format: ulaw,
    start: [
      { event: 'connected', protocol: 'Call', version: '1.0.0' },
      {
        event: 'start',
        sequenceNumber: '1',
        streamSid: 'MZ1',
        start: {
          accountSid: 'AC1',
          callSid: 'CA1',
          streamSid: 'MZ1',
          tracks: ['inbound'],
          mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
          customParameters: { from_number: '+15550100' },
        },
      },
    ],
  },
  {
    dialect: 'telnyx',
    auth: { kind: 'telnyx', streamToken: 'token' },
    headers: () => ({}),
    format: { encoding: 'PCMA', sampleRate: 8000 },
    start: [
      { event: 'connected', version: '1.0.0', 'x-telnyx-streaming-auth-token': 'token' },
      {
        event: 'start',
        sequence_number: '1',
        stream_id: 'MZ1',
        start: {
          user_id: 'u',
          call_control_id: 'v3:CA1',
          call_session_id: 's',
          from: '+15550100',
          to: '+15550199',
          tags: [],
          client_state: '',
          media_format: { encoding: 'PCMA', sample_rate: 8000, channels: 1 },
        },
      },
    ],
  },
  {
    dialect: 'plivo',
    auth: { kind: 'plivo', authToken: 'token' },
    headers: () => ({
      'x-plivo-signature-v3-nonce': '12345',
      'x-plivo-signature-v3': plivoSignature({
        authToken: 'token',
        method: 'GET',
        url: url('plivo'),
        nonce: '12345',
      }),
    }),
    format: { encoding: 'L16', sampleRate: 16_000 },
    start: [
      {
        event: 'start',
        sequenceNumber: 0,
        start: {
          callId: 'CA1',
          streamId: 'MZ1',
          accountId: 'MA1',
          tracks: ['inbound'],
          mediaFormat: { encoding: 'audio/x-l16', sampleRate: 16_000 },
        },
        extra_headers: 'from=+15550100;to=+15550199',
      },
    ],
  },
  {
    dialect: 'vonage',
    auth: { kind: 'vonage', secret: 'secret' },
    headers: () => ({ authorization: `Bearer ${signVonageToken({ secret: 'secret', now: Date.now() })}` }),
    format: { encoding: 'L16', sampleRate: 16_000 },
    start: [
      { event: 'websocket:connected', 'content-type': 'audio/l16;rate=16000', uuid: 'CA1', from: '15550100' },
    ],
  },
  {
    dialect: 'infobip',
    auth: { kind: 'basic', username: 'user', password: 'word' },
    headers: () => ({ authorization: `Basic ${Buffer.from('user:word').toString('base64')}` }),
    format: { encoding: 'L16', sampleRate: 48_000 },
    start: [{ callId: 'CA1', sampleRate: 48_000, packetizationTime: 20 }],
  },
]

/** Keeps what it is sent and plays it in step with time, as carriers do. */
export class PlayedCarrier {
  readonly #carrier: Carrier
  readonly #socket: WebSocket
  readonly #queue: ({ samples: Int16Array } | { mark: string })[] = []
  readonly #heard: number[] = []
  #played = 0
  playedAtClearMs = -1
  readonly #decoder: AudioDecoder

  constructor(carrier: Carrier, socket: WebSocket) {
    this.#carrier = carrier
    this.#socket = socket
    this.#decoder = new AudioDecoder(carrier.format)
    socket.on('message', (data, isBinary) =>
      this.#receive(isBinary ? (data as Buffer) : (data as Buffer).toString()),
    )
  }

  async talk(): Promise<void> {
    await once(this.#socket, 'open')
    for (const message of this.#carrier.start) this.#socket.send(JSON.stringify(message))
    const { sampleRate } = this.#carrier.format
    const said = tone({ sampleRate, hz: 1000, durationMs: 20 })
    const frame = encodeAudio(this.#carrier.format, said)
    const closed = once(this.#socket, 'close')
    let chunk = 0
    const startedAt = performance.now()
    const timer = setInterval(() => {
      while (chunk < (performance.now() - startedAt) / 20) {
        chunk += 1
        this.#send({ kind: 'media', audio: frame, chunk, timestampMs: chunk * 20 })
        this.#play()
      }
    }, 10)
    try {
      await until(() => this.#level(700) > -25, 'the carrier heard 700 Hz')
      await new Promise(resolve => setTimeout(resolve, 500))
      if (this.#carrier.dialect === 'infobip') {
        // It has no message for keys: the caller's tones are not the server's to read, and the agent is stopped by the close.
        this.#socket.close()
        await closed
        return
      }
      this.#send({ kind: 'dtmf', digits: '5', durationMs: 100 })
      await until(() => this.#level(1300) > -25, 'the carrier heard 1,300 Hz')
      const [code] = (await closed) as [number]
      expect(code === 1000, `it was closed with ${code}`)
    } finally {
      clearInterval(timer)
    }
  }

  /** In the last 100 ms. */
  #level(hz: number): number {
    const { sampleRate } = this.#carrier.format
    const last = this.#heard.slice(-sampleRate / 10)
    return last.length === 0 ? -200 : goertzelDbfs(Int16Array.from(last), sampleRate, hz)
  }

  #receive(data: string | Uint8Array): void {
    const message = dialects[this.#carrier.dialect].bot.parse(data)
    if (message.kind === 'media') {
      const samples = this.#decoder.decode(message.audio)
      // Vonage and Infobip take whole frames only.
      const exact = (this.#carrier.format.sampleRate * 20) / 1000
      const binary = typeof data !== 'string'
      expect(!binary || samples.length === exact, `a frame of ${samples.length} samples`)
      this.#queue.push({ samples })
    }
    if (message.kind === 'mark') this.#queue.push({ mark: message.name })
    if (message.kind !== 'clear') return
    this.playedAtClearMs = (this.#played * 1000) / this.#carrier.format.sampleRate
    const marks = this.#queue.splice(0).flatMap(entry => ('mark' in entry ? [entry.mark] : []))
    if (dialects[this.#carrier.dialect].marksOnClear !== 'echoed') return
    for (const name of marks) this.#send({ kind: 'mark', name })
  }

  /** 20 ms of it. */
  #play(): void {
    let left = (this.#carrier.format.sampleRate * 20) / 1000
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if ('mark' in first) {
        this.#send({ kind: 'mark', name: first.mark })
        this.#queue.shift()
        continue
      }
      if (left === 0) return
      const taken = first.samples.subarray(0, left)
      this.#heard.push(...taken)
      this.#played += taken.length
      left -= taken.length
      if (taken.length === first.samples.length) this.#queue.shift()
      else this.#queue[0] = { samples: first.samples.subarray(taken.length) }
    }
  }

  #send(message: StreamMessage): void {
    const ids = {
      streamId: 'MZ1',
      callId: 'CA1',
      accountId: 'AC1',
      sequence: 2,
      format: this.#carrier.format,
    }
    const data = dialects[this.#carrier.dialect].carrier.write(message, { ...ids, wallTime: Date.now() })
    if (data !== undefined && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data)
  }
}

export function expect(right: boolean, what: string): void {
  if (!right) throw new Error(`wrong: ${what}`)
}
