import * as fc from 'fast-check'
import t from 'tap'
import { refreshDelay, retryDelay, stepRegistration } from '../../../src/sip/registration/client-machine.ts'
import type { RegistrationEvent, RegistrationPhase } from '../../../src/sip/registration/client-machine.ts'

const events: readonly RegistrationEvent[] = [
  'start',
  'accepted',
  'adjusted',
  'refused',
  'failed',
  'flow-lost',
  'due',
  'stop',
  'released',
]

const rows: readonly (readonly [RegistrationPhase, RegistrationEvent, RegistrationPhase, string])[] = [
  ['idle', 'start', 'registering', 'register'],
  ['idle', 'stop', 'unregistered', 'tell-unregistered'],
  ['registering', 'accepted', 'registered', 'hold-flow plan-refresh tell-registered'],
  ['registering', 'adjusted', 'registering', 'register'],
  ['registering', 'refused', 'refused', 'release-flow tell-refused'],
  ['registering', 'failed', 'waiting', 'release-flow plan-retry tell-failed'],
  ['registering', 'stop', 'ending', ''],
  ['registered', 'due', 'refreshing', 'register'],
  ['registered', 'flow-lost', 'waiting', 'release-flow plan-recovery tell-failed'],
  ['registered', 'stop', 'unregistering', 'cancel-plan remove'],
  ['refreshing', 'accepted', 'registered', 'hold-flow plan-refresh'],
  ['refreshing', 'flow-lost', 'refreshing', ''],
  ['waiting', 'due', 'registering', 'register'],
  ['waiting', 'stop', 'unregistering', 'cancel-plan remove'],
  ['ending', 'accepted', 'unregistering', 'remove'],
  ['ending', 'refused', 'unregistered', 'release-flow tell-unregistered'],
  ['unregistering', 'released', 'unregistered', 'release-flow tell-unregistered'],
  ['unregistered', 'start', 'unregistered', ''],
  ['refused', 'due', 'refused', ''],
  ['refused', 'stop', 'unregistered', 'tell-unregistered'],
]

t.test('the rows (RFC 3261 10.2, RFC 5626 4)', t => {
  for (const [phase, event, to, actions] of rows) {
    const step = stepRegistration(phase, event)
    t.equal(`${step.to}: ${step.do.join(' ')}`, `${to}: ${actions}`, `${phase}, ${event}`)
  }
  t.end()
})

t.test(
  'whatever happens: one REGISTER at a time, at most one plan, none at the end, and the end is told once',
  t => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 60 }), sequence => {
        let phase: RegistrationPhase = 'idle'
        let planned = false
        let underWay = false
        let ended = 0
        for (const event of sequence) {
          // Only what can come at all: answers to what is under way, a timer that was set.
          const answers = ['accepted', 'adjusted', 'refused', 'failed'].includes(event)
          if (answers && (!underWay || phase === 'unregistering')) continue
          if (event === 'released' && phase !== 'unregistering') continue
          if (event === 'due' && !planned) continue
          if (answers || event === 'released') underWay = false
          if (event === 'due') planned = false
          const { to, do: actions } = stepRegistration(phase, event)
          phase = to
          for (const action of actions) {
            if (action === 'register' || action === 'remove') {
              if (underWay) return false
              underWay = true
            }
            if (action.startsWith('plan-')) planned = true
            if (action === 'cancel-plan') planned = false
            if (action === 'tell-unregistered') ended++
          }
          if (planned && phase !== 'registered' && phase !== 'waiting') return false
          if ((phase === 'registered' || phase === 'waiting') && !planned) return false
        }
        return ended === (phase === 'unregistered' ? 1 : 0)
      }),
    )
    t.end()
  },
)

t.test('waits grow to the longest and no further, and heed Retry-After (RFC 5626 4.5)', t => {
  const backOff = { baseMs: 30_000, maxMs: 1_800_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        const wait = retryDelay(backOff, failures, random)
        return wait >= 15_000 && wait <= 1_800_000
      },
    ),
  )
  t.ok(retryDelay(backOff, 1, 0.5, 600) >= 600_000)
  t.equal(refreshDelay(100, 0), 75_000)
  t.ok(refreshDelay(1, 0) >= 750, 'no loop without a pause')
  t.end()
})
