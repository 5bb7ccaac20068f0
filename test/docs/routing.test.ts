import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { routeCalls } from '../../src/agent/index.ts'
import { toE164 } from '../../src/index.ts'
import { SipResponseError } from '../../src/sip/dialog/errors.ts'
import { createLab } from '../../src/testing/lab.ts'
import { repositoryRoot } from '../support/repository.ts'
import { heardBy } from '../agent/control/scene.ts'
import { hum } from '../agent/routing/hum.ts'

const page = readFileSync(join(repositoryRoot, 'docs/routing.md'), 'utf8')

/** Text without indentation and line breaks, which differ between the page and this file. */
const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()

t.test('the code of the page is in this file', t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/routing.test.ts'), 'utf8'))
  const [, code = ''] = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
  t.ok(source.includes(flat(code)))
  t.end()
})

t.test('the routes of the page, at midnight and at noon', async t => {
  const lab = createLab({ limitMs: 24 * 3_600_000 })
  const endpoint = await lab.endpoint('us.lab')
  const phone = await lab.endpoint('phone.lab')
  const [support, draft, sales] = [hum(600), hum(800), hum(1000)]
  await lab.run(async () => {
    const routing = routeCalls(endpoint, {
      agents: { support, 'support@staging': draft, sales },
      defaultCountry: 'GB', // of numbers that come without a country code
      routes: [
        {
          name: 'at night',
          match: { time: { zone: 'Europe/London', from: '20:00', to: '08:00' } },
          to: { reject: { statusCode: 480 } },
        },
        {
          name: 'sales',
          match: { dialled: ['+442079460018', '+4420794601*'], caller: '+44*' },
          to: { agent: 'sales', fallback: { number: 'sip:desk@pbx.example' } },
        },
        {
          name: 'support',
          match: { dialled: '+442079460019' },
          to: { queue: { to: { agent: 'support' }, maxActive: 20, music: 'waiting.wav' } },
        },
        { name: 'everybody else', to: { redirect: 'sip:reception@pbx.example' } },
      ],
      onError: (error, call) => console.error(call.id, error.message),
    })
    const from = 'sip:+441632960123@phone.lab'
    const refused = (target: string): Promise<number | undefined> =>
      phone.call(target, { from }).then(
        () => undefined,
        (error: unknown) => (error instanceof SipResponseError ? error.statusCode : undefined),
      )
    // The lab begins at midnight.
    t.equal(await refused('sip:02079460018@us.lab'), 480)
    await lab.clock.sleep(12 * 3_600_000)
    for (const [dialled, hz] of [
      ['02079460018', 1000],
      ['00442079460199', 1000],
      ['02079460019', 600],
    ] as const) {
      const call = await phone.call(`sip:${dialled}@us.lab`, { from })
      t.same(await heardBy(call), [hz], `who dials ${dialled} hears its agent`)
      await call.hangup()
    }
    t.equal(await refused('sip:100@us.lab'), 302)
    t.same(routing.stats.calls, { 'at night': 1, sales: 2, support: 1, 'everybody else': 1 })
  })
})

t.test('spellings of one number', t => {
  const spelt = /`020 7946 0018`.*`GB`/.test(flat(page))
  t.ok(spelt, 'the page has them')
  for (const number of ['020 7946 0018', '00442079460018', '442079460018'])
    t.equal(toE164('GB')(number), '+442079460018')
  t.end()
})
