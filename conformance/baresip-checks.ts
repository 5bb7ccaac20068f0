/** A real softphone in both roles, its tone followed through the audio that was recorded. */

import { join } from 'node:path'
import { measureTone, readWav, type Tone } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { startAnswer, startCall } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'

const toneHz = 1000
/** Two passes through G.711 and a clock of its own at each end leave that much of the power in the tone. */
const leastPurity = 0.95
const levelToleranceDb = 1

export function baresipChecks(logs: string): readonly Check[] {
  return [
    ...(['PCMU', 'PCMA'] as const).map(codec => ({
      name: `baresip-calls-${codec}`,
      rfc: 'RFC 3551 4.5.14',
      what: `the echo agent gives the tone back, ${codec}`,
      how: 'baresip calls, UDP',
      run: () => callsEcho(join(logs, `baresip-calls-${codec}`), codec),
    })),
    {
      name: 'baresip-is-called',
      rfc: 'RFC 3551 4.5.14',
      what: 'its tone is recorded',
      how: 'baresip is called, UDP',
      run: () => isCalled(join(logs, 'baresip-is-called')),
    },
  ]
}

async function callsEcho(folder: string, codec: 'PCMU' | 'PCMA'): Promise<void> {
  const echo = await startAnswer(await freePort(), [
    '--agent',
    'echo',
    '--record',
    join(folder, 'recordings'),
  ])
  try {
    const baresip = await Baresip.start({
      folder,
      toneHz,
      codec,
      dial: `sip:echo@127.0.0.1:${echo.port}`,
      timeoutMs: 20_000,
    })
    await baresip.says('Call established')
    await new Promise(resolve => setTimeout(resolve, 4000))
    await baresip.stop()
    const ended = await echo.process.event(({ event }) => event === 'ended')
    const { sent, heard } = baresip.audio()
    const reference = measureTone(readWav(sent), 0, toneHz)
    expectSame('heard by baresip', measureTone(readWav(heard), 0, toneHz), reference)
    const recording = (ended['recordings'] as readonly string[] | undefined)?.[0] ?? ''
    expectSame('recorded from the caller', measureTone(readWav(recording), 0, toneHz), reference)
    expectSame('recorded from the agent', measureTone(readWav(recording), 1, toneHz), reference)
    const cause = (ended['ended'] as { cause?: string } | undefined)?.cause
    if (cause !== 'hangup') throw new Error(`The call ended with ${cause}`)
  } finally {
    await echo.process.stop()
  }
}

async function isCalled(folder: string): Promise<void> {
  const baresip = await Baresip.start({ folder, toneHz, codec: 'PCMU', timeoutMs: 20_000 })
  const file = join(folder, 'call.wav')
  const call = startCall(baresip.uri, ['--listen', 'udp://127.0.0.1:0', '--duration', '4', '--record', file])
  try {
    const code = await call.exit
    if (code !== 0)
      throw new Error(`offhook call ended with ${code}: ${JSON.stringify(call.events.at(-1))}${call.errors}`)
  } finally {
    await call.stop()
    await baresip.stop()
  }
  expectSame(
    'recorded',
    measureTone(readWav(file), 0, toneHz),
    measureTone(readWav(baresip.audio().sent), 0, toneHz),
  )
}

function expectSame(what: string, tone: Tone, reference: Tone): void {
  const figures = `${tone.levelDbfs.toFixed(1)} dBFS (sent ${reference.levelDbfs.toFixed(1)}), ${(tone.purity * 100).toFixed(1)} % of it the tone`
  if (tone.purity < leastPurity || Math.abs(tone.levelDbfs - reference.levelDbfs) > levelToleranceDb) {
    throw new Error(`The tone is not what was sent, ${what}: ${figures}`)
  }
}
