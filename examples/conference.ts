// Three callers in one conference, in virtual time: each sounds a tone, and hears the other two and not itself.
//   node dist/examples/conference.js
import { Conference, goertzelDbfs, tone } from 'offhook/audio'
import { createLab } from 'offhook/testing'

const lab = createLab({ seed: 7, network: { delayMs: 30 } })
const endpoint = await lab.endpoint('rooms.lab')
const conference = new Conference({ clock: endpoint.clock })
void endpoint.serve(async call => {
  const party = conference.join(await call.answer())
  await Promise.race([call.ended, party.left])
})

const tones = [600, 1000, 1500]
await lab.run(async () => {
  await Promise.all(
    tones.map(async (hz, index) => {
      const phone = await lab.endpoint(`phone-${index}.lab`)
      const call = await phone.call('sip:room@rooms.lab')
      const { input, output } = call.media
      void output.write(tone({ sampleRate: output.sampleRate, hz, durationMs: 3000 }))
      const heard = new Int16Array(input.sampleRate / 2)
      for await (const { samples, timestampMs } of input) {
        if (timestampMs > 2500) break
        heard.copyWithin(0, samples.length)
        heard.set(samples, heard.length - samples.length)
      }
      const others = tones.filter(other => goertzelDbfs(heard, input.sampleRate, other) > -40)
      console.log(`${hz} Hz hears ${others.join(' and ')} Hz`)
      await call.hangup()
    }),
  )
})
