import t from 'tap'
import { LongRun } from '../../bench/support/long-run.ts'
import { Call } from '../../src/call/call.ts'
import { MediaFlow } from '../../src/media/session/flow.ts'
import { SrtpReceiver } from '../../src/media/srtp/receiver.ts'
import { ServerEntry } from '../../src/sip/transaction/server-entry.ts'

/** Code is still being compiled during the first hundred. */
const first = 96
const more = 96
/** In octets, for `more` calls. */
const bound = more * 12_000
const kinds = [Call, MediaFlow, SrtpReceiver, ServerEntry]

t.test(
  'hundreds of calls leave nothing behind: no timer, socket, context, transaction, and no heap',
  async t => {
    const run = new LongRun()
    await run.open()
    const round = (calls: number): Promise<void> => run.run({ calls, callMs: 1000, everyMs: 2000 })
    await round(first)
    let before = run.census([])
    await round(more)
    let after = run.census(kinds)
    // What stays of a call stays in every round; what the compiler keeps does not.
    for (let again = 0; again < 3 && after.heap - before.heap >= bound; again += 1) {
      before = after
      await round(more)
      after = run.census(kinds)
    }
    await run.close()
    t.equal(run.failed, 0, String(run.lastFailure))
    t.ok(run.calls >= first + more)
    // Both ends of each.
    t.equal(run.records, 2 * run.calls)
    t.equal(after.endpoints, 0)
    t.equal(after.timers, before.timers)
    // The traces remember twenty calls each: their records and ladders, not what the calls were made of. Only the last call of
    // each side may still be in some variable.
    for (const [name, count] of Object.entries(after.objects)) t.ok(count <= 8, `${name}: ${count}`)
    const grown = after.heap - before.heap
    t.ok(grown < bound, `${grown} octets; one call that stays is more than 50,000`)
  },
)
