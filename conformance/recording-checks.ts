/** Recordings of a call over real sockets, read by ffmpeg: the format it is to have, and both tones, each on its side. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { measureTone, readWav, writeTone } from './audio.ts'
import type { Check } from './check.ts'
import { startAnswer, startCall } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { isInstalled, runToEnd } from './peers/process.ts'

const toneHz = 700
const leastPurity = 0.95
const levelToleranceDb = 1

/** By the format asked for: the file of the side that answers, and the name ffmpeg has for what is in it. */
const formats: Readonly<Record<string, readonly [suffix: string, codec: string, rate: string]>> = {
  pcm: ['wav', 'pcm_s16le', '8000'],
  pcmu: ['wav', 'pcm_mulaw', '8000'],
  pcma: ['wav', 'pcm_alaw', '8000'],
  opus: ['opus', 'opus', '48000'],
}

export function hasFfmpeg(): boolean {
  return isInstalled('ffmpeg', '-version')
}

export function recordingChecks(logs: string): readonly Check[] {
  return Object.entries(formats).map(([format, [suffix, codec, rate]]) => ({
    name: `recording-${format}`,
    rfc: format === 'opus' ? 'RFC 7845, RFC 3533' : 'RFC 3551 4.5.14',
    what: `a call recorded as ${format}: ${codec}, each party's tone on its side`,
    how: 'read by ffmpeg',
    run: () => run(join(logs, `recording-${format}`), format, suffix, { codec, rate }),
  }))
}

async function run(
  folder: string,
  format: string,
  suffix: string,
  expected: { readonly codec: string; readonly rate: string },
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const said = join(folder, 'said.wav')
  writeTone(said, toneHz, 4)
  const options = ['--agent', 'echo', '--record', join(folder, 'recordings'), '--record-format', format]
  const echo = await startAnswer(await freePort(), options)
  try {
    const target = `sip:echo@127.0.0.1:${echo.port}`
    const call = startCall(target, ['--listen', 'udp://127.0.0.1:0', '--play', said, '--duration', '4'])
    const code = await call.exit
    if (code !== 0) throw new Error(`offhook call ended with ${code}${call.errors}`)
    const ended = await echo.process.event(({ event }) => event === 'ended')
    const file = (ended['recordings'] as readonly string[] | undefined)?.[0] ?? ''
    if (!file.endsWith(`.${suffix}`)) throw new Error(`Recorded to "${file}", not to a *.${suffix}`)
    const wav = join(folder, 'decoded.wav')
    const args = ['-hide_banner', '-nostdin', '-y', '-i', file, '-c:a', 'pcm_s16le', wav]
    const decoded = await runToEnd('ffmpeg', args, { cwd: folder, timeoutMs: 10_000 })
    if (decoded.code !== 0) throw new Error(`ffmpeg cannot read it: ${decoded.output}`)
    const stream = new RegExp(
      `Audio: ${expected.codec}\\b[^\\n]*\\b${expected.rate} Hz, (?:stereo|2 channels)`,
    )
    if (!stream.test(decoded.output)) throw new Error(`Not ${stream.source}: ${decoded.output}`)
    const reference = measureTone(readWav(said), 0, toneHz)
    for (const [channel, who] of ['the caller', 'the agent'].entries()) {
      const { levelDbfs, purity } = measureTone(readWav(wav), channel, toneHz)
      if (purity < leastPurity || Math.abs(levelDbfs - reference.levelDbfs) > levelToleranceDb)
        throw new Error(
          `Of ${who}: ${levelDbfs.toFixed(1)} dBFS, ${(purity * 100).toFixed(1)} % of it the tone`,
        )
    }
  } finally {
    await echo.process.stop()
  }
}
