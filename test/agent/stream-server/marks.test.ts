import t from 'tap'
import { tone } from '../../../src/media/audio/tones.ts'
import type { WebSocketConnection } from '../../../src/runtime/web.ts'
import { agentOf, world } from './world.ts'

const stream = { dialect: 'twilio', auth: { kind: 'none' } } as const
const start = JSON.stringify({
  event: 'start',
  streamSid: 'MZ1',
  start: { callSid: 'CA1', accountSid: 'AC1', streamSid: 'MZ1' },
})
const media = (octets: number, streamSid = 'MZ1'): string =>
  JSON.stringify({
    event: 'media',
    streamSid,
    media: { payload: Buffer.alloc(octets, 0xff).toString('base64') },
  })

/** Stays until the call ends. */
function watch(connection: WebSocketConnection): { code: number | undefined; messages: string[] } {
  const seen: { code: number | undefined; messages: string[] } = { code: undefined, messages: [] }
  connection.onMessage = data => seen.messages.push(String(data))
  connection.onClose = code => (seen.code = code)
  return seen
}

t.test('a carrier that echoes no mark is believed to have played', async t => {
  let playedMs = 0
  const agent = agentOf(async ({ output }) => {
    await output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 1000 }))
    playedMs = (await output.flush()).playedMs
  })
  const { records } = await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.send(start)
    for (let i = 0; i < 100; i += 1) {
      connection.send(media(160))
      await lab.clock.sleep(50)
    }
  })
  t.equal(playedMs, 1000)
  t.ok((records[0]?.media?.counters?.['marksMissing'] ?? 0) >= 10)
  t.match(records[0]?.ended, { by: 'local', cause: 'hangup' })
})

t.test('marks of before a clear, of nobody and twice move nothing', async t => {
  const played: number[] = []
  const agent = agentOf(async ({ output, sleep }) => {
    await output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 2000 }))
    await sleep(300)
    played.push(output.clear().playedMs)
    await sleep(100)
    await output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 2000 }))
    await sleep(20)
    played.push(output.clear().playedMs)
  })
  await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    const marks: string[] = []
    connection.onMessage = data => {
      const { event, mark } = JSON.parse(String(data)) as { event: string; mark?: { name: string } }
      if (event === 'mark') marks.push(mark?.name ?? '')
      // As Twilio: all that are pending come back at a clear. And some that nobody set.
      if (event !== 'clear') return
      for (const name of [...marks, ...marks, 'offhook-9-9', 'x']) {
        connection.send(JSON.stringify({ event: 'mark', streamSid: 'MZ1', mark: { name } }))
      }
    }
    connection.send(start)
    await lab.clock.sleep(1000)
  })
  t.ok((played[0] ?? 999) <= 300, `${played[0]} ms`)
  t.ok((played[1] ?? 999) <= 25, `${played[1]} ms`)
})

t.test('a carrier that echoes no mark is known for one in the midst of a long speech', async t => {
  let playedMs = 0
  const agent = agentOf(async ({ output, sleep }) => {
    void output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 60_000 }))
    await sleep(30_000)
    playedMs = output.clear().playedMs
  })
  const { records } = await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    const seen = watch(connection)
    connection.send(start)
    for (let i = 0; i < 600; i += 1) {
      connection.send(media(160))
      await lab.clock.sleep(60)
    }
    const marks = seen.messages.filter(message => message.includes('"mark"')).length
    t.ok(marks < 40, `${marks} marks are enough to see that none comes back`)
  })
  t.ok(Math.abs(playedMs - 30_000) <= 60, `${playedMs} ms`)
  t.ok((records[0]?.media?.counters?.['marksMissing'] ?? 0) >= 10)
})

t.test('marks that come late, after all, are believed again', async t => {
  const flushed: number[] = []
  const agent = agentOf(async ({ output }) => {
    for (let i = 0; i < 2; i += 1) {
      await output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 8000 }))
      flushed.push((await output.flush()).playedMs)
    }
  })
  await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    const names: string[] = []
    connection.onMessage = data => {
      const { event, mark } = JSON.parse(String(data)) as { event: string; mark?: { name: string } }
      if (event === 'mark') names.push(mark?.name ?? '')
    }
    connection.send(start)
    const echo = (): void => {
      for (const name of names.splice(0))
        connection.send(JSON.stringify({ event: 'mark', streamSid: 'MZ1', mark: { name } }))
    }
    // A network that stands still for five seconds, and then is well.
    await lab.clock.sleep(5000)
    const before = names.length
    echo()
    await lab.clock.sleep(1000)
    t.ok(before < 40 && names.length >= 8, `${before}, then ${names.length} marks`)
    for (let i = 0; i < 200; i += 1) {
      echo()
      await lab.clock.sleep(100)
    }
  })
  t.same(flushed, [8000, 8000])
})
