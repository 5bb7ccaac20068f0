import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openSound } from '../../src/media/audio/sound-file.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { WavReader } from '../../src/media/audio/wav-reader.ts'
import { encodeWav } from '../../src/media/audio/wav-writer.ts'
import { pendingRealWork, realWork } from '../../src/runtime/real-work.ts'
import { createLab } from '../../src/testing/lab.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

interface Outcome {
  readonly fingerprint: string
  readonly file: string
  readonly durationMs: number
  readonly startedAtMs: number
  readonly droppedMs: number
}

/** A call in which the agent records to `file` as soon as it has answered, and then plays a sound from the disk. */
async function recorded(file: string, sound: string): Promise<Outcome> {
  const lab = createLab({ seed: 7, network: { delayMs: 20, jitterMs: 10, loss: 0.01 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  let outcome: Omit<Outcome, 'fingerprint' | 'file'> | undefined
  void agent.serve(async call => {
    const { output } = await call.answer()
    const recording = await call.record(file)
    await output.play(await openSound(sound))
    await call.hangup()
    const { durationMs, startedAtMs, droppedMs } = await recording.stop()
    outcome = { durationMs, startedAtMs, droppedMs }
  })
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    void call.media.output.play(tone({ sampleRate: 8000, hz: 500, durationMs: 4000 }))
    await call.ended
  })
  if (outcome === undefined) throw new Error('the agent did not finish')
  const digest = createHash('sha256').update(await readFile(file))
  return { ...outcome, fingerprint: lab.fingerprint, file: digest.digest('hex') }
}

t.test('a recording to a file and a sound from a file are the same every time in the lab', async t => {
  const folder = t.testdir()
  const sound = join(folder, 'sound.wav')
  const samples = tone({ sampleRate: 16_000, hz: 1000, durationMs: 3000 })
  await writeFile(sound, encodeWav(samples, { sampleRate: 16_000 }))
  // Opus first: this is the first time the process asks for it.
  for (const name of ['call.opus', 'call.wav']) {
    const outcomes: Outcome[] = []
    for (let i = 0; i < 4; i += 1) outcomes.push(await recorded(join(folder, name), sound))
    const [first, ...others] = outcomes
    for (const other of others) t.same(other, first, name)
    t.ok(first !== undefined && Math.abs(first.durationMs - 3080) <= 80, `${first?.durationMs} ms of ${name}`)
    t.equal(first?.droppedMs, 0)
    t.ok((first?.startedAtMs ?? Infinity) <= 40, `begins ${first?.startedAtMs} ms after the media`)
  }
  const said = await (await WavReader.open(join(folder, 'call.wav'), { channel: 1 })).readAll()
  const onset = said.findIndex(sample => Math.abs(sample) > 500)
  t.ok(onset >= 0 && onset <= 40 * 8, `what is played is heard ${onset / 8} ms into the recording`)
  t.equal(pendingRealWork().size, 0)
})

t.test(
  'virtual time stands still while work is done outside, and goes on when it has failed, too',
  async t => {
    const clock = new VirtualClock()
    let fired = false
    clock.setTimer(1000, () => {
      fired = true
    })
    const seen: boolean[] = []
    const work = realWork(
      new Promise<void>((_, reject) => {
        setTimeout(() => {
          seen.push(fired)
          reject(new Error('disk'))
        }, 20)
      }),
    )
    const failed = t.rejects(work, { message: 'disk' })
    t.equal(pendingRealWork().size, 1)
    await clock.advance(2000)
    t.same(seen, [false])
    t.ok(fired)
    await failed
    t.equal(pendingRealWork().size, 0)
  },
)
