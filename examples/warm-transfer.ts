// A caller is put through to a desk that is told first who calls, and presses 1 to take it. In virtual time; every party says who hears whom.
//   node dist/examples/warm-transfer.js
import { agentSession, type Call } from 'offhook'
import { collect, warmTransfer } from 'offhook/agent'
import { goertzelDbfs, tone } from 'offhook/audio'
import { createLab } from 'offhook/testing'

const lab = createLab({ seed: 7, network: { delayMs: 30 } })
const [agent, phone, desk] = [
  await lab.endpoint('agent.lab'),
  await lab.endpoint('phone.lab'),
  await lab.endpoint('desk.lab'),
]
// In place of voices and music: who or what sounds how.
const sounds = { music: 1000, whisper: 1300, caller: 440, desk: 600, agent: 800 }
const sound = (hz: number, durationMs: number) => tone({ sampleRate: 8000, hz, durationMs })

void agent.serve(async call => {
  await call.answer()
  const result = await warmTransfer(call, 'sip:desk@desk.lab', {
    endpoint: agent,
    holdMusic: () => sound(sounds.music, 2000),
    whisper: () => sound(sounds.whisper, 2000),
    decide: async ({ session }) => (await collect(session, { digits: 1 })).digits === '1',
  })
  console.log(`the agent: ${result.outcome}`)
  if (result.outcome === 'connected') await result.bridge.ended
  else await agentSession(call).output.play(sound(sounds.agent, 2000)) // the caller is ours again
})

void desk.serve(async call => {
  await call.answer()
  await call.sleep(1000)
  console.log(`the desk hears: ${await heard(call)}`)
  await call.sleep(1500)
  await call.sendDtmf(process.env['KEY'] ?? '1')
  void call.media.output.play(sound(sounds.desk, 5000))
  await call.sleep(1000)
  console.log(`the desk hears: ${await heard(call)}`)
  await call.ended
})

await lab.run(async () => {
  const call = await phone.call('sip:help@agent.lab')
  void call.media.output.play(sound(sounds.caller, 10_000))
  for (const afterMs of [1500, 2500]) {
    await call.sleep(afterMs)
    console.log(`the caller hears: ${await heard(call)}`)
  }
  await call.hangup()
})

async function heard({ media: { input } }: Call): Promise<string> {
  input.clear()
  let last = new Int16Array()
  for await (const { samples } of input)
    if ((last = Int16Array.from([...last, ...samples])).length > 1600) break
  const names = Object.entries(sounds).filter(([, hz]) => goertzelDbfs(last.slice(-800), 8000, hz) > -35)
  return names.map(([name]) => name).join(' and ') || 'nothing'
}
