/** Codecs against a real softphone: a tone each way, followed through what either side recorded. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Call, createEndpoint } from '../src/index.ts'
import { tone } from '../src/media/audio/tones.ts'
import { measureTone, readWav } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { within } from './within.ts'

/** What baresip sends, and what we do. */
const theirsHz = 1000
const oursHz = 700
const oursDbfs = -12
const leastPurity = 0.95
/** Of a codec that does not keep the waveform. */
const levelToleranceDb = 1.5
const seconds = 3.2

interface Case {
  readonly ours: string
  /** As baresip names it. */
  readonly theirs: string
  readonly rfc: string
}

const cases: readonly Case[] = [
  { ours: 'opus', theirs: 'opus', rfc: 'RFC 7587 7' },
  { ours: 'G722', theirs: 'G722', rfc: 'RFC 3551 4.5.2' },
  { ours: 'L16/48000', theirs: 'L16/48000/1', rfc: 'RFC 3551 4.5.11' },
]

export function codecChecks(logs: string): readonly Check[] {
  return cases.flatMap(({ ours, theirs, rfc }) =>
    (['calls', 'is called'] as const).map((role): Check => {
      const name = `baresip-codec-${role === 'calls' ? 'calls' : 'called'}-${ours.replace('/', '-')}`
      return {
        name,
        rfc,
        what: `a tone each way, ${ours}`,
        how: `baresip ${role}, UDP`,
        run: () => exchange(join(logs, name), ours, theirs, role),
      }
    }),
  )
}

async function exchange(
  folder: string,
  ours: string,
  theirs: string,
  role: 'calls' | 'is called',
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'call.wav')
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: [ours] })
  let baresip: Baresip | undefined
  try {
    const listening = endpoint.listening[0]?.replace('udp://', '') ?? ''
    const talked = new Promise<void>((resolve, reject) => {
      void endpoint.serve(async call => {
        try {
          await call.answer()
          await talk(call, file, ours)
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
    talked.catch(() => undefined)
    baresip = await Baresip.start({
      folder,
      toneHz: theirsHz,
      codec: theirs,
      timeoutMs: 15_000,
      ...(role === 'calls' && { dial: `sip:tone@${listening}` }),
    })
    if (role === 'is called') await talk(await endpoint.call(baresip.uri), file, ours)
    else await within(12_000, talked, 'called and talked to')
  } finally {
    await endpoint.close()
    await baresip?.stop()
  }
  const { sent, heard } = baresip.audio()
  expectTone('heard by baresip', heard, oursHz, oursDbfs)
  expectTone('recorded by us', file, theirsHz, measureTone(readWav(sent), 0, theirsHz).levelDbfs)
}

async function talk(call: Call, file: string, codec: string): Promise<void> {
  const { output, codec: agreed } = call.media
  if (!codec.toLowerCase().startsWith(agreed.name.toLowerCase()))
    throw new Error(`The call was to use ${codec} and uses ${agreed.name}`)
  const recording = await call.record(file)
  const { sampleRate } = output
  await output.play(tone({ sampleRate, hz: oursHz, durationMs: seconds * 1000, levelDbfs: oursDbfs }))
  await recording.stop()
  await call.hangup()
}

function expectTone(what: string, file: string, hz: number, levelDbfs: number): void {
  const found = measureTone(readWav(file), 0, hz)
  if (found.purity >= leastPurity && Math.abs(found.levelDbfs - levelDbfs) <= levelToleranceDb) return
  throw new Error(
    `The tone of ${hz} Hz is not what was sent, ${what}: ${found.levelDbfs.toFixed(1)} dBFS (sent ${levelDbfs.toFixed(1)}), ${(found.purity * 100).toFixed(1)} % of it the tone`,
  )
}
