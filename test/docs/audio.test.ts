import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as audio from '../../src/media/audio/index.ts'
import { createLab } from '../../src/testing/lab.ts'
import { repositoryRoot } from '../support/repository.ts'

const { COUNTRY_TONES, Conference, callProgress, detectAnsweringMachine, openSound, speechEvents } = audio

const page = readFileSync(join(repositoryRoot, 'docs/audio.md'), 'utf8')
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)

function lines(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}

t.test(
  'every line of code on the page is in this file, every name is exported, every country is there',
  t => {
    const source = new Set(lines(readFileSync(join(repositoryRoot, 'test/docs/audio.test.ts'), 'utf8')))
    const [imports = '', ...pieces] = blocks
    t.equal(pieces.length, 6)
    for (const line of pieces.flatMap(lines)) t.ok(source.has(line), line)
    for (const name of /\{([\s\S]*)\}/.exec(imports)![1]!.split(',')) t.ok(name.trim() in audio, name)
    const row = /\| countries \| (.*) \|/.exec(page)![1]!
    t.same(row.replace(/ \(.*?\)/, '').split(' '), Object.keys(COUNTRY_TONES))
    t.end()
  },
)

t.test('what is on the page runs', async t => {
  const file = readFileSync(join(repositoryRoot, 'assets/menu-goodbye.wav'))
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const caller = await lab.endpoint('caller.lab')
  const conference = new Conference({ clock: endpoint.clock })
  void endpoint.serve(async call => {
    const party = conference.join(await call.answer())
    await party.left
  })
  await lab.run(async () => {
    const call = await caller.call('sip:room@agent.lab')
    const { input, output } = call.media
    const stop = new AbortController()
    const { signal } = stop
    const ringing = call.sleep(500).then(() => stop.abort())
    await output.play(callProgress('DE', 'ringback'), { signal })
    await ringing
    {
      const later = new AbortController()
      const { signal } = later
      void call.sleep(1000).then(() => later.abort())
      const hold = await openSound(file, { times: Infinity, volumeDb: -6, fadeInMs: 500 })
      await output.play(hold, { signal })
    }
    {
      const { signal } = new AbortController()
      for await (const event of speechEvents(input, { silenceMs: 3000, signal })) {
        if (event.kind === 'silence') break
      }
    }
    const { kind } = await detectAnsweringMachine(call.media.input, { waitForBeepMs: 20_000 })
    t.equal(kind, 'silence')
    output.volumeDb = -12
    output.mute()
    input.mute()
    input.unmute()
    await call.hangup()
  })
  t.equal(conference.parties.length, 0)
})
