import t from 'tap'
import { WavReader } from '../../src/media/audio/wav-reader.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import { MemorySink } from '../media/audio/memory-sink.ts'

/** Where sound begins, in samples from the start; behind `from`. */
function onset(samples: Int16Array, from = 0): number {
  return samples.findIndex((sample, at) => at >= from && Math.abs(sample) > 1000)
}

async function sides(sink: MemorySink): Promise<readonly [left: Int16Array, right: Int16Array]> {
  const read = (channel: number): Promise<Int16Array> =>
    WavReader.fromBytes(sink.bytes(), { channel }).readAll()
  return [await read(0), await read(1)]
}

t.test('both sides keep their place in time to 20 ms, over loss, hold and four minutes', async t => {
  const lab = createLab({ seed: 3, network: { delayMs: 30, jitterMs: 20, loss: 0.02 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const sink = new MemorySink()
  let began = 0
  /** When each beep was heard, on the clock of the frames. */
  const heardAt: number[] = []
  void agent.serve(async call => {
    const { input, output } = await call.answer()
    const recording = await call.record(sink)
    let silentSince = -Infinity
    for await (const { samples, timestampMs } of input) {
      const at = onset(samples)
      // Silence is not echoed: it would pile up during the hold and be said afterwards.
      if (at < 0) continue
      if (timestampMs - silentSince > 500) heardAt.push(timestampMs + at / 8)
      silentSince = timestampMs
      await output.write(samples)
    }
    began = (await recording.stop()).startedAtMs
  })
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    await call.sleep(1000)
    const beep = async (): Promise<void> => {
      await call.media.output.write(tone({ sampleRate: 8000, hz: 800, durationMs: 300 }))
      await call.sleep(1000)
    }
    await beep()
    await call.hold()
    await call.sleep(5000)
    await call.resume()
    await call.sleep(1000)
    await beep()
    await call.sleep(240_000)
    await beep()
    await call.hangup()
  })
  const [left, right] = await sides(sink)
  t.equal(left.length, right.length)
  t.ok(began >= 0 && began < 100, `begins ${began} ms after the media`)
  t.equal(heardAt.length, 3)
  let from = 0
  for (const at of heardAt) {
    const heard = onset(left, from) / 8
    const answered = onset(right, from) / 8
    // The echo is one turn behind what it hears, or two.
    t.ok(answered - heard > 0 && answered - heard <= 40, `answered ${answered - heard} ms after it was heard`)
    const off = began + heard - at
    t.ok(Math.abs(off) <= 20, `${off} ms off its place after ${Math.round(at / 1000)} s`)
    from = (heard + 900) * 8
  }
})

t.test('Opus in Ogg goes to a sink as well as WAV does', async t => {
  const lab = createLab({ seed: 5 })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const sink = new MemorySink()
  void agent.serve(async call => {
    await call.answer()
    await call.record(sink, { format: 'opus', channels: 'mixed' })
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    await call.sleep(5000)
    await call.hangup()
  })
  t.equal(sink.bytes().toString('latin1', 0, 4), 'OggS')
  t.equal(sink.closed, 1, 'the end of the call is the end of the file')
})
