import t from 'tap'
import { diagnosticsChannel } from '../../src/runtime/diagnostics.ts'

/** The warnings of the process until `work` is done and they have come out. */
async function warningsOf(work: () => void): Promise<readonly Error[]> {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  work()
  await new Promise<void>(resolve => setImmediate(resolve))
  process.off('warning', note)
  return warnings.filter(warning => warning.name === 'OffhookSubscriberError')
}

t.test(
  'a subscriber that throws hurts neither the publisher, the other subscribers nor the process',
  async t => {
    const channel = diagnosticsChannel<{ n: number }>('offhook:test:throwing')
    const heard: number[] = []
    const warnings = await warningsOf(() => {
      const ends = [
        channel.subscribe(() => {
          throw new Error('no room for this')
        }),
        channel.subscribe(({ n }) => heard.push(n)),
      ]
      channel.publish({ n: 1 })
      channel.publish({ n: 2 })
      for (const end of ends) end()
      channel.publish({ n: 3 })
    })
    t.same(heard, [1, 2])
    t.equal(warnings.length, 1, 'it is told of once, not at each message of a flood')
    t.match(warnings[0]?.message, /offhook:test:throwing.*no room for this/)
  },
)

t.test('a channel has subscribers only while somebody listens', async t => {
  const channel = diagnosticsChannel<{ n: number }>('offhook:test:listening')
  t.equal(channel.hasSubscribers, false)
  const end = channel.subscribe(() => {})
  t.equal(channel.hasSubscribers, true)
  end()
  t.equal(channel.hasSubscribers, false)
})
