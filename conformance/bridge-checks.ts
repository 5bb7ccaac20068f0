/** Two calls bridged by us: tones between softphones, and G.729 whose octets have to arrive as they were sent. */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Bridge, type Call, bridge, bridgeCodecs, createEndpoint } from '../src/index.ts'
import { parseRtp } from '../src/media/rtp/packet.ts'
import { measureTone, readWav } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { startSipp } from './peers/sipp.ts'
import { within } from './within.ts'

const leastPurity = 0.95
const levelToleranceDb = 2
const talkMs = 3500

interface Side {
  readonly codec: string
  /** As baresip names it. */
  readonly theirs: string
  readonly hz: number
}

const pairs: readonly (readonly [Side, Side, string])[] = [
  [{ codec: 'PCMU', theirs: 'PCMU', hz: 1000 }, { codec: 'PCMU', theirs: 'PCMU', hz: 600 }, 'relayed'],
  [{ codec: 'G722', theirs: 'G722', hz: 1000 }, { codec: 'opus', theirs: 'opus', hz: 600 }, 'transcoded'],
]

export function baresipBridgeChecks(logs: string): readonly Check[] {
  return pairs.map(([a, b, mode]): Check => {
    const name = `baresip-bridge-${a.codec}-${b.codec}`
    return {
      name,
      rfc: 'RFC 7092 3.1',
      what: `two calls bridged, ${a.codec} and ${b.codec} ${mode}`,
      how: 'baresip is called twice, UDP',
      run: () => tones(join(logs, name), a, b, mode),
    }
  })
}

export function sippBridgeChecks(logs: string): readonly Check[] {
  const name = 'sipp-bridge-G729'
  return [
    {
      name,
      rfc: 'RFC 3551 4.5.6',
      what: 'G.729 bridged: every octet arrives as it was sent, and comes back',
      how: 'SIPp calls and is called, UDP',
      run: () => g729(join(logs, name)),
    },
  ]
}

async function tones(folder: string, a: Side, b: Side, mode: string): Promise<void> {
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const phones: Baresip[] = []
  try {
    const calls: Call[] = []
    for (const [index, { theirs, codec, hz }] of [a, b].entries()) {
      const phone = await Baresip.start({
        folder: join(folder, `phone-${index + 1}`),
        toneHz: hz,
        codec: theirs,
        timeoutMs: 15_000,
      })
      phones.push(phone)
      calls.push(await endpoint.call(phone.uri, { codecs: [codec] }))
    }
    const [first, second] = calls as [Call, Call]
    const bridged = await bridge(first, second, { hangup: 'both' })
    await first.sleep(talkMs)
    if (bridged.modes.some(found => found !== mode)) throw new Error(`They are ${bridged.modes.join(', ')}`)
    await first.hangup()
    await within(3000, second.ended, 'hung up with the other')
  } finally {
    await endpoint.close()
    await Promise.all(phones.map(phone => phone.stop()))
  }
  const [one, two] = phones.map(phone => phone.audio()) as [
    ReturnType<Baresip['audio']>,
    ReturnType<Baresip['audio']>,
  ]
  expectTone('by the first', one.heard, two.sent, b.hz)
  expectTone('by the second', two.heard, one.sent, a.hz)
}

function expectTone(who: string, heard: string, sent: string, hz: number): void {
  const found = measureTone(readWav(heard), 0, hz)
  const { levelDbfs } = measureTone(readWav(sent), 0, hz)
  if (found.purity >= leastPurity && Math.abs(found.levelDbfs - levelDbfs) <= levelToleranceDb) return
  throw new Error(
    `The tone of ${hz} Hz is not what was sent, heard ${who}: ${found.levelDbfs.toFixed(1)} dBFS (sent ${levelDbfs.toFixed(1)}), ${(found.purity * 100).toFixed(1)} % of it the tone`,
  )
}

/** 20 ms of G.729: two frames. */
const packetOctets = 20
const packets = 100

/**
 * SIPp plays octets as G.729 to us; the call it takes names a socket of ours, which keeps what comes and sends it back.
 */
async function g729(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const octets = Buffer.from(
    Uint8Array.from({ length: packets * packetOctets }, (_, i) => (i * 167 + (i >> 8)) & 0xff),
  )
  writeFileSync(join(folder, 'speech.g729'), octets)
  const far = await FarEnd.open()
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  try {
    writeFileSync(join(folder, 'callee.xml'), callee(far.port))
    writeFileSync(join(folder, 'caller.xml'), caller(join(folder, 'speech.g729')))
    const desk = await startSipp({
      scenario: { file: join(folder, 'callee.xml') },
      transport: 'udp',
      folder: join(folder, 'callee'),
      timeoutMs: 12_000,
    })
    let bridged: Bridge | undefined
    void endpoint.serve(async call => {
      const outbound = await endpoint.call(`sip:desk@127.0.0.1:${desk.port}`, { codecs: bridgeCodecs(call) })
      await call.answer({ codecs: bridgeCodecs(outbound) })
      bridged = await bridge(call, outbound, { hangup: 'both' })
      await bridged.ended
      await outbound.ended
    })
    const port = Number(endpoint.listening[0]?.split(':').at(-1))
    const phone = await startSipp({
      scenario: { file: join(folder, 'caller.xml') },
      transport: 'udp',
      target: { port },
      folder: join(folder, 'caller'),
      timeoutMs: 12_000,
    })
    await Promise.all([phone.passed, desk.passed])
    expectOctets(octets, far.payloads)
    const { forward, backward } = bridged?.stats() ?? {}
    // The last ones are still on their way back when the phone hangs up.
    const back = backward?.relayed ?? 0
    if ((forward?.relayed ?? 0) < packets / 2 || back < 0.9 * (forward?.relayed ?? 0)) {
      throw new Error(`${forward?.relayed ?? 0} packets went there, ${back} came back`)
    }
  } finally {
    await endpoint.close()
    far.close()
  }
}

/** What arrived is one stretch of what was sent, without a hole: the bridge may have begun after the first packets. */
function expectOctets(sent: Buffer, payloads: readonly Uint8Array[]): void {
  const got = Buffer.concat(payloads)
  if (payloads.length < packets / 2) throw new Error(`Only ${payloads.length} packets of G.729 arrived`)
  const round = Buffer.concat([sent, sent])
  if (payloads.some(payload => payload.length !== packetOctets) || !round.includes(got)) {
    throw new Error(`The ${got.length} octets that arrived are not those that were sent`)
  }
}

class FarEnd {
  readonly payloads: Uint8Array[] = []
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (data, { port, address }) => {
      const rtp = parseRtp(data)
      if (rtp === undefined || rtp.payloadType !== 18) return
      this.payloads.push(rtp.payload.slice())
      socket.send(data, port, address)
    })
  }

  static async open(): Promise<FarEnd> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new FarEnd(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  close(): void {
    this.#socket.close()
  }
}

const sdp = (port: string): string => `v=0
      o=sipp 1 1 IN IP4 [local_ip]
      s=-
      c=IN IP4 127.0.0.1
      t=0 0
      m=audio ${port} RTP/AVP 18
      a=rtpmap:18 G729/8000
      a=fmtp:18 annexb=no
      a=sendrecv`

const fields = (cseq: string): string => `From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]x[call_number]
      Call-ID: [call_id]
      CSeq: ${cseq}
      Max-Forwards: 70`

const caller = (file: string): string => `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="calls, plays G.729, hangs up">
  <send retrans="500">
    <![CDATA[

      INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]xinv
      ${fields('1 INVITE')}
      To: <sip:[service]@[remote_ip]:[remote_port]>
      Contact: <sip:sipp@[local_ip]:[local_port]>
      Content-Type: application/sdp
      Content-Length: [len]

      ${sdp('[rtpstream_audio_port]')}

    ]]>
  </send>
  <recv response="100" optional="true" />
  <recv response="180" optional="true" />
  <recv response="200" rrs="true" />
  <send>
    <![CDATA[

      ACK [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]xack
      ${fields('1 ACK')}
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Content-Length: 0

    ]]>
  </send>
  <pause milliseconds="200" />
  <nop>
    <action>
      <exec rtp_stream="${file},1,18" />
    </action>
  </nop>
  <pause milliseconds="${packets * 20 + 500}" />
  <send retrans="500">
    <![CDATA[

      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK[pid]x[call_number]xbye
      ${fields('2 BYE')}
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Content-Length: 0

    ]]>
  </send>
  <recv response="200" />
</scenario>
`

const answered = `[last_Via:]
      [last_From:]
      [last_To:];tag=[pid]x[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:sipp@[local_ip]:[local_port]>`

const callee = (mediaPort: number): string => `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="answers with G.729">
  <recv request="INVITE">
    <action>
      <ereg regexp="m=audio [0-9]+ RTP/AVP 18" search_in="msg" check_it="true" assign_to="1" />
      <ereg regexp="annexb=no" search_in="msg" check_it="true" assign_to="2" />
    </action>
  </recv>
  <send retrans="500">
    <![CDATA[

      SIP/2.0 200 OK
      ${answered}
      Content-Type: application/sdp
      Content-Length: [len]

      ${sdp(String(mediaPort))}

    ]]>
  </send>
  <recv request="ACK" />
  <recv request="BYE" />
  <send>
    <![CDATA[

      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

    ]]>
  </send>
  <Reference variables="1,2" />
</scenario>
`
