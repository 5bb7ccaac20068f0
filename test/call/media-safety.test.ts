import t from 'tap'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { PCMU } from '../../src/media/codec/g711.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from '../../src/media/rtp/packet.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { createLab } from '../../src/testing/lab.ts'

/** Sends 1800 Hz as RTP to port 10000 of 10.0.0.1, ten times as fast as speech, until told to stop. */
async function attacker(lab: Lab): Promise<{ stop(): void; readonly answered: number }> {
  const socket = await lab.network.host('192.0.2.66').bindUdp({ host: '192.0.2.66', port: 4444 })
  const sound = tone({ sampleRate: 8000, hz: 1800, durationMs: 20, levelDbfs: -6 })
  let going = true
  let answered = 0
  let sequence = 0
  socket.onMessage = () => {
    answered += 1
  }
  const spray = (): void => {
    if (!going) return
    const bytes = new Uint8Array(RTP_HEADER_LENGTH + 160)
    writeRtpHeader(bytes, 0, false, sequence & 0xffff, sequence * 160, 0x6666_6666)
    PCMU.encoder().encode(sound, bytes.subarray(RTP_HEADER_LENGTH))
    socket.send(bytes, 10_000, '10.0.0.1')
    sequence += 1
    lab.clock.setTimer(lab.clock.now() + 2, spray)
  }
  spray()
  return {
    stop: () => {
      going = false
    },
    get answered() {
      return answered
    },
  }
}

for (const nat of [undefined, 'port-restricted', 'symmetric'] as const)
  t.test(
    `a flood of RTP from before the answer to the end; the caller behind ${nat ?? 'no'} NAT`,
    async t => {
      const lab = createLab({ network: { delayMs: 20, ...(nat && { nat }) } })
      const agent = await lab.endpoint('agent.lab', { rtp: { minPort: 10_000, maxPort: 10_001 } })
      const flood = await attacker(lab)
      const heard: number[] = []
      void agent.serve(async call => {
        const { input, output } = await call.answer()
        void output.write(tone({ sampleRate: 8000, hz: 600, durationMs: 5000 }))
        for await (const { samples } of input) heard.push(...samples)
      })
      const caller = lab.caller()
      const phone = await caller.endpoint()
      await lab.run(async () => {
        const call = await phone.call('sip:anyone@agent.lab')
        const ours: number[] = []
        const listening = (async () => {
          for await (const { samples } of call.media.input) ours.push(...samples)
        })()
        await call.sleep(1000)
        await call.media.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000, levelDbfs: -12 }))
        await call.sleep(3000)
        await call.hangup()
        await listening
        t.ok(
          goertzelDbfs(Int16Array.from(ours.slice(8000, 24_000)), 8000, 600) > -25,
          'the caller hears the agent',
        )
      })
      flood.stop()
      const all = Int16Array.from(heard)
      t.ok(goertzelDbfs(all.subarray(12_000, 22_000), 8000, 1000) > -13, 'the agent hears the caller')
      t.ok(goertzelDbfs(all, 8000, 1800) < -60, `${goertzelDbfs(all, 8000, 1800)} dBFS of the attacker`)
      t.equal(flood.answered, 0, 'the attacker gets nothing')
      const record = lab.records.find(({ direction }) => direction === 'inbound')
      t.match(record?.media?.strangers, { sources: 1, spoofed: 0 })
      t.ok((record?.media?.strangers?.packets ?? 0) > 1500)
      t.match(lab.ladder(record!.id), /media stranger 192\.0\.2\.66:4444/)
    },
  )

t.test('no strangers, no field in the record', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.sleep(60_000).catch(() => undefined)
  })
  await lab.run(async () => {
    const call = await phone.call('sip:anyone@agent.lab')
    await call.sleep(500)
    await call.hangup()
  })
  t.notOk('strangers' in (lab.records[0]?.media ?? {}))
})
