import * as fc from 'fast-check'
import t from 'tap'
import { bestResponse } from '../../../src/sip/proxy/best-response.ts'
import { branchTable } from '../../../src/sip/proxy/branch-table.ts'
import { byPreference } from '../../../src/sip/proxy/by-preference.ts'
import { newContext, step } from '../../../src/sip/proxy/response-context.ts'
import type { ContextAction, ContextEvent, ContextState } from '../../../src/sip/proxy/response-context.ts'

type Event = ContextEvent<string, string>
type Action = ContextAction<string, string>

/** An action in a few words. */
function said(action: Action): string {
  if (action.do === 'send') return `send ${action.branch} ${action.target}`
  if (action.do === 'arm' || action.do === 'disarm') return `${action.do} ${action.timer} ${action.branch}`
  if (action.do === 'cancel') return `cancel ${action.branch}`
  if (action.do === 'forward') return ['forward', action.response, ...action.challenges].join(' ')
  if (action.do === 'forward late') return `forward late ${action.response}`
  return action.do === 'reply' ? `reply ${action.statusCode}` : 'end'
}

class Play {
  state: ContextState<string, string>

  constructor(method: string, ...groups: string[][]) {
    this.state = newContext(method)
    this.take({ on: 'targets', groups })
  }

  /** Takes an event; gives what is done, timers left out. */
  take(event: Event): string[] {
    const { state, actions } = step(this.state, event)
    this.state = state
    return actions.map(said).filter(action => !/^(?:dis)?arm /.test(action))
  }

  response(branch: number, statusCode: number, text: string = String(statusCode)): string[] {
    return this.take({ on: 'response', branch, statusCode, response: text })
  }

  terminated(...branches: number[]): string[] {
    return branches.flatMap(branch => this.take({ on: 'terminated', branch }))
  }
}

t.test('one target: provisional responses and the final one go upstream, 100 does not (§16.7 5)', t => {
  const play = new Play('INVITE', ['a'])
  t.same(play.response(0, 100), [])
  t.same(play.response(0, 180), ['forward 180'])
  t.same(play.response(0, 183), ['forward 183'])
  t.same(play.response(0, 486), ['forward 486', 'end'])
  t.end()
})

t.test(
  'parallel: the first 2xx goes on at once, the others are cancelled, further 2xx go on too (§16.7 5, 10)',
  t => {
    const play = new Play('INVITE', ['a', 'b', 'c'])
    play.response(0, 180)
    play.response(1, 180)
    t.same(play.response(1, 200), ['forward 200', 'cancel 0', 'cancel 2'])
    t.same(play.response(0, 487), [])
    t.same(play.response(2, 200, 'other 200'), ['forward other 200'])
    t.same(play.response(1, 200, 'again'), ['forward again'])
    t.same(play.terminated(0, 1, 2), ['end'])
    t.end()
  },
)

t.test('parallel: the best response waits for the last branch (§16.7 6)', t => {
  const play = new Play('INVITE', ['a', 'b', 'c'])
  t.same(play.response(0, 404), [])
  t.same(play.response(1, 302), [])
  t.same(play.response(2, 500), ['forward 302', 'end'])
  t.end()
})

t.test('parallel: a 6xx ends the search, but is sent on only when all have ended (§16.7 5)', t => {
  const play = new Play('INVITE', ['a', 'b'], ['c'])
  t.same(play.response(0, 603), ['cancel 1'])
  t.same(play.response(1, 487), ['forward 603', 'end'])
  t.end()
})

t.test('parallel: 2xx after a 6xx still wins (§16.7 5)', t => {
  const play = new Play('INVITE', ['a', 'b'])
  play.response(0, 603)
  t.same(play.response(1, 200), ['forward 200'])
  t.end()
})

t.test('sequential: the next group is tried when the one before has failed', t => {
  const play = new Play('INVITE', ['a'], ['b', 'c'])
  t.same(play.response(0, 486), ['send 1 b', 'send 2 c'])
  t.same(play.response(1, 404), [])
  t.same(play.take({ on: 'failure', branch: 2 }), ['forward 486', 'end'])
  t.end()
})

t.test(
  'sequential: what has not answered in its time is cancelled, and the next is tried when it has ended',
  t => {
    const play = new Play('INVITE', ['a'], ['b'])
    play.response(0, 180)
    t.same(play.take({ on: 'timer', timer: 'answer', branch: 0 }), ['cancel 0'])
    t.same(play.response(0, 487), ['send 1 b'])
    t.end()
  },
)

t.test('Timer C without any response counts as 408, and a late 2xx is not lost (§16.8)', t => {
  const play = new Play('INVITE', ['a'], ['b'])
  t.same(play.take({ on: 'timer', timer: 'C', branch: 0 }), ['cancel 0', 'send 1 b'])
  play.response(1, 180)
  t.same(play.response(0, 200), ['forward 200', 'cancel 1'])
  t.end()
})

t.test(
  'Timer C after a provisional response sends CANCEL (§16.8), and is restarted by 101-199 (§16.7 2)',
  t => {
    let { state } = step<string, string>(newContext('INVITE'), { on: 'targets', groups: [['a']] })
    const take = (event: Event): string[] => {
      const next = step(state, event)
      state = next.state
      return next.actions.map(said)
    }
    t.same(take({ on: 'response', branch: 0, statusCode: 100, response: '100' }), [])
    t.same(take({ on: 'response', branch: 0, statusCode: 180, response: '180' }), ['arm C 0', 'forward 180'])
    t.same(take({ on: 'timer', timer: 'C', branch: 0 }), ['disarm answer 0', 'cancel 0'])
    t.same(take({ on: 'timeout', branch: 0 }), ['reply 408', 'end'])
    t.end()
  },
)

t.test(
  'the caller cancels: every pending branch is cancelled, nothing else is tried, 487 comes back (§16.10)',
  t => {
    const play = new Play('INVITE', ['a', 'b'], ['c'])
    play.response(0, 180)
    t.same(play.take({ on: 'cancel' }), ['cancel 0', 'cancel 1'])
    t.same(play.response(0, 487), [])
    t.same(play.take({ on: 'failure', branch: 1 }), ['forward 487', 'end'])
    t.end()
  },
)

t.test('the caller cancels before there is a target: 487', t => {
  const state = newContext<string, string>('INVITE')
  t.same(step(state, { on: 'cancel' }).actions.map(said), ['reply 487', 'end'])
  t.end()
})

t.test('answer and CANCEL cross: the answer goes upstream (§9.1)', t => {
  const play = new Play('INVITE', ['a'])
  play.take({ on: 'cancel' })
  t.same(play.response(0, 200), ['forward 200'])
  t.end()
})

t.test('401 and 407 go on together (§16.7 7)', t => {
  const play = new Play('INVITE', ['a', 'b', 'c'])
  play.response(0, 407)
  play.response(1, 486)
  t.same(play.response(2, 401), ['forward 407 401', 'end'])
  t.end()
})

t.test('a 503 becomes 500 (§16.7 6), as does a target that cannot be reached (§16.9)', t => {
  t.same(new Play('INVITE', ['a']).response(0, 503), ['reply 500', 'end'])
  t.same(new Play('OPTIONS', ['a']).take({ on: 'failure', branch: 0 }), ['reply 500', 'end'])
  t.end()
})

t.test('a redirection is followed in place of the 3xx (§16.7 4)', t => {
  const play = new Play('INVITE', ['a'], ['b'])
  const redirected = play.take({
    on: 'response',
    branch: 0,
    statusCode: 302,
    response: '302',
    redirects: ['x', 'y'],
  })
  t.same(redirected, ['send 1 x', 'send 2 y'])
  play.response(1, 404)
  t.same(play.response(2, 404), ['send 3 b'])
  t.same(play.response(3, 410), ['forward 404', 'end'], 'the 302 is gone')
  t.end()
})

t.test('other requests: no CANCEL, one final response, no 408 (RFC 4320 §4.2)', t => {
  const play = new Play('MESSAGE', ['a', 'b'])
  t.same(play.response(0, 100), [])
  t.same(play.response(0, 200), ['forward 200'])
  t.same(play.response(1, 200), [], 'a second 2xx is not passed on')
  t.same(play.terminated(0, 1), ['end'])
  t.same(new Play('MESSAGE', ['a']).take({ on: 'timeout', branch: 0 }), ['end'])
  t.same(new Play('MESSAGE', ['a']).response(0, 408), ['end'])
  t.end()
})

function bestOf(codes: readonly number[]): number | undefined {
  return bestResponse(codes.map(statusCode => ({ statusCode })))?.statusCode
}

t.test('bestResponse: 6xx, else the lowest class, of 4xx those that say how to ask again (§16.7 6)', t => {
  const rows: readonly (readonly [readonly number[], number])[] = [
    [[404, 603, 302], 603],
    [[404, 302, 500], 302],
    [[404, 407, 500], 407],
    [[404, 486], 404],
    [[486, 404], 486],
    [[408, 486], 486],
    [[404, 420], 420],
    [[503, 501], 501],
    [[408, 503], 408],
  ]
  for (const [codes, expected] of rows) t.equal(bestOf(codes), expected, codes.join(', '))
  t.equal(bestOf([]), undefined)
  t.end()
})

t.test('byPreference: highest q first, equal ones together', t => {
  const groups = byPreference([{ uri: 'sip:a', q: 0.5 }, { uri: 'sip:b' }, { uri: 'sip:c', q: 0.5 }])
  t.same(
    groups.map(group => group.map(({ uri }) => uri)),
    [['sip:b'], ['sip:a', 'sip:c']],
  )
  t.end()
})

t.test('every row of the branch table names its RFC or says why it does nothing', t => {
  for (const [state, rows] of Object.entries(branchTable)) {
    for (const [event, row] of Object.entries(rows)) {
      if (row.next !== undefined || row.effects.length > 0)
        t.match(row.rfc, /^RFC \d+ §/, `${state}, ${event}`)
      else t.ok(row.rfc.length > 0)
    }
  }
  t.end()
})

const branch = fc.integer({ min: 0, max: 5 })
const events: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      on: fc.constant('response' as const),
      branch,
      statusCode: fc.constantFrom(100, 180, 183, 200, 202, 302, 401, 404, 407, 408, 486, 487, 503, 600, 603),
      response: fc.constant('r'),
      redirects: fc.constantFrom<string[]>([], [], ['x']),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      on: fc.constantFrom('timeout' as const, 'failure' as const, 'terminated' as const),
      branch,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      on: fc.constant('timer' as const),
      timer: fc.constantFrom('C' as const, 'answer' as const),
      branch,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ on: 'cancel' as const }) },
)

t.test('no sequence of events leaves a timer or a branch behind, or answers twice', t => {
  fc.assert(
    fc.property(
      fc.constantFrom('INVITE', 'MESSAGE'),
      fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.array(events, { maxLength: 40 }),
      (method, groups, sequence) => {
        let state = newContext<string, string>(method)
        const armed = new Set<string>()
        const sent = new Set<number>()
        const over = new Set<number>()
        let finals = 0
        let ended = false
        const take = (event: Event): void => {
          if (event.on === 'terminated') over.add(event.branch)
          if (event.on === 'timer' && !armed.delete(`${event.timer} ${event.branch}`)) return
          const before = state
          const result = step(state, event)
          state = result.state
          for (const action of result.actions) {
            if (ended) throw new Error(`${said(action)} after the end`)
            if (action.do === 'arm') armed.add(`${action.timer} ${action.branch}`)
            if (action.do === 'disarm') armed.delete(`${action.timer} ${action.branch}`)
            if (action.do === 'send') sent.add(action.branch)
            if (action.do === 'reply') finals++
            if (action.do === 'forward' && before.answered === 0 && state.answered !== 0) finals++
            if (action.do === 'end') ended = true
          }
          if (finals > 1 && !(method === 'INVITE' && state.answered >= 200 && state.answered < 300)) {
            throw new Error('answered twice')
          }
          if (ended && armed.size > 0) throw new Error(`left running: ${[...armed].join(', ')}`)
          if (ended && state.branches.some(({ state: name }) => name !== 'done'))
            throw new Error('left pending')
        }
        take({ on: 'targets', groups })
        for (const event of sequence) {
          // What has not been sent has no transaction, and one that is over says nothing more.
          if ('branch' in event && (!sent.has(event.branch) || over.has(event.branch))) continue
          if (ended) break
          take(event)
        }
        // The network does what it always does in the end: every transaction terminates.
        for (let index = 0; index < 60; index++) {
          for (const pending of sent) {
            if (!over.has(pending) && !ended) take({ on: 'terminated', branch: pending })
          }
        }
        return ended && armed.size === 0
      },
    ),
    { numRuns: 2000, seed: 5 },
  )
  t.end()
})
