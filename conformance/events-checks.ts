/** Subscriptions in both roles: SIPp subscribes, and SIPp notifies. */

import { join } from 'node:path'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { UserAgentCore } from '../src/sip/dialog/core.ts'
import type { SubscriptionEnd } from '../src/sip/events/event-types.ts'
import { Events } from '../src/sip/events/events.ts'
import type { IncomingSubscription } from '../src/sip/events/incoming-subscription.ts'
import { writeMessageSummary } from '../src/sip/events/message-summary.ts'
import { messageSummaryPackage } from '../src/sip/events/packages.ts'
import type { Subscription } from '../src/sip/events/subscription.ts'
import { TransactionLayer } from '../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../src/sip/transport/transport-layer.ts'
import type { Check } from './check.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'
import { describe } from './sipp-checks.ts'

type Transport = 'udp' | 'tcp'

/** SIPp subscribes: what the notifier does besides accepting. */
const subscribers: Readonly<Record<string, ((subscription: IncomingSubscription) => void) | undefined>> = {
  'subscriber-basic': undefined,
  'subscriber-ended': subscription => subscription.terminate(),
  'subscriber-brief': undefined,
  'subscriber-bad-event': undefined,
}

/** SIPp notifies: what the subscriber does after each NOTIFY, and how it ends. */
const notifiers: Readonly<
  Record<
    string,
    {
      readonly steps?: readonly ((subscription: Subscription) => void)[]
      readonly end: Partial<SubscriptionEnd>
    }
  >
> = {
  'notifier-basic': {
    steps: [one => one.refresh(), one => one.unsubscribe()],
    end: { cause: 'unsubscribed' },
  },
  'notifier-ended': { end: { cause: 'terminated', reason: 'noresource' } },
  'notifier-brief': { end: { cause: 'terminated', reason: 'noresource' } },
  'notifier-bad-event': { end: { cause: 'refused', statusCode: 489, allowEvents: ['presence'] } },
}

export interface EventsSetting {
  readonly scenarios: string
  readonly logs: string
}

export function eventsChecks(setting: EventsSetting): readonly Check[] {
  const named = [...Object.keys(subscribers), ...Object.keys(notifiers)]
  return named.flatMap(name => {
    const { title, rfc } = describe(join(setting.scenarios, `${name}.xml`))
    return (['udp', 'tcp'] as const).map(transport => ({
      name: `${name}-${transport}`,
      rfc,
      what: title,
      how: `SIPp ${name in subscribers ? 'subscribes' : 'notifies'}, ${transport.toUpperCase()}`,
      run: () => run(setting, name, transport),
    }))
  })
}

async function run({ scenarios, logs }: EventsSetting, name: string, transport: Transport): Promise<void> {
  const port = await freePort()
  const runtime = createNodeRuntime()
  const layer = new TransportLayer({ runtime, listen: [{ transport, host: '127.0.0.1', port }] })
  const transactions = new TransactionLayer({
    transport: layer,
    clock: runtime.clock,
    random: runtime.random,
  })
  const core = new UserAgentCore({ transactions, transport: layer, runtime })
  const events = new Events({
    transactions,
    transport: layer,
    runtime,
    packages: [messageSummaryPackage],
  })
  core.onRequest = core.onSubscription = request => events.receive(request)
  await layer.open()
  const sipp = {
    scenario: { file: join(scenarios, `${name}.xml`) },
    transport,
    folder: join(logs, `${name}-${transport}`),
  }
  try {
    if (name in subscribers) {
      events.onSubscribe = subscription => {
        subscription.accept({ render: () => writeMessageSummary({ waiting: true, counts: new Map() }) })
        subscribers[name]?.(subscription)
      }
      await (
        await startSipp({ ...sipp, target: { port, user: 'alice' } })
      ).passed
    } else {
      const notifier = await startSipp(sipp)
      const ended = subscribe(events, `sip:alice@127.0.0.1:${notifier.port};transport=${transport}`, name)
      await notifier.passed
      mustMatch(await ended, notifiers[name]?.end ?? {})
    }
  } finally {
    events.abandon()
    await layer.close()
  }
}

function subscribe(events: Events, target: string, name: string): Promise<SubscriptionEnd> {
  const steps = [...(notifiers[name]?.steps ?? [])]
  return new Promise(resolve => {
    const subscription = events.subscribe({
      package: messageSummaryPackage,
      target,
      from: 'sip:offhook@127.0.0.1',
      expiresSeconds: 600,
      handlers: {
        onNotify: () => void setImmediate(() => steps.shift()?.(subscription)),
        onEnd: resolve,
      },
    })
  })
}

function mustMatch(end: SubscriptionEnd, expected: Partial<SubscriptionEnd>): void {
  for (const [field, value] of Object.entries(expected)) {
    const found = end[field as keyof SubscriptionEnd]
    if (JSON.stringify(found) !== JSON.stringify(value)) {
      throw new Error(`it ended with ${field} ${JSON.stringify(found)}, not ${JSON.stringify(value)}`)
    }
  }
}
