// Calls, finds out who has answered, and leaves a message after the beep. In virtual time; the machine is played here too.
//   node dist/examples/answering-machine.js
import { callProgress, detectAnsweringMachine, openSound, silence, tone } from 'offhook/audio'
import { createLab } from 'offhook/testing'

const lab = createLab({ seed: 7, network: { delayMs: 30, loss: 0.01 } })

const machine = await lab.endpoint('machine.lab')
void machine.serve(async call => {
  const early = await call.progress()
  await early.output.play(callProgress('DE', 'ringback', { rounds: 1 }))
  const { output, input } = await call.answer()
  const { sampleRate } = output
  // A voice, for this purpose: three harmonics with pauses.
  for (let word = 0; word < 8; word++) {
    await output.write(tone({ sampleRate, hz: [210, 420, 630], durationMs: 300, levelDbfs: -24 }))
    await output.write(silence(sampleRate, 80))
  }
  await output.play(silence(sampleRate, 400))
  await output.play(tone({ sampleRate, hz: 1000, durationMs: 400 }))
  let recordedMs = 0
  for await (const { samples } of input) {
    if (samples.some(sample => sample > 1000)) recordedMs += (samples.length * 1000) / input.sampleRate
  }
  console.log(`the machine has recorded ${recordedMs > 1000 ? 'the message' : 'nothing'}`)
})

const caller = await lab.endpoint('caller.lab')
await lab.run(async () => {
  const call = await caller.call('sip:anyone@machine.lab')
  const { kind } = await detectAnsweringMachine(call.media.input, { waitForBeepMs: 20_000 })
  console.log(`answered by: ${kind}`)
  const message = tone({ sampleRate: 8000, hz: [300, 600], durationMs: 1000 })
  const raw = { encoding: 's16le', sampleRate: 8000 } as const
  const sound = await openSound(new Uint8Array(message.buffer), {
    raw,
    times: 2,
    volumeDb: -3,
    fadeOutMs: 100,
  })
  if (kind === 'beep' || kind === 'human') await call.media.output.play(sound)
  await call.hangup()
})
