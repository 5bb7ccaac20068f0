import type { Test } from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import type { TransactionLayerOptions } from '../../../src/sip/transaction/transaction-layer.ts'
import type { ClientTransaction } from '../../../src/sip/transaction/client-transaction.ts'
import type { TransportOptions } from '../../../src/sip/transport/options.ts'
import type { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { World } from '../transport/world.ts'
import type { RawUdp } from '../transport/world.ts'

/** A transaction layer at 10.0.0.1 (UDP and TCP) and a bare socket at 10.0.0.2. */
export interface Bench {
  readonly world: World
  readonly transport: TransportLayer
  readonly layer: TransactionLayer
  readonly peer: RawUdp
}

export async function bench(
  options: {
    readonly layer?: Partial<TransactionLayerOptions>
    readonly transport?: Partial<TransportOptions>
    readonly world?: World
  } = {},
): Promise<Bench> {
  const world = options.world ?? new World()
  const transport = await world.layer(world.host('10.0.0.1'), {
    listen: [
      { transport: 'udp', host: '10.0.0.1' },
      { transport: 'tcp', host: '10.0.0.1' },
    ],
    ...options.transport,
  })
  const layer = new TransactionLayer({
    transport,
    clock: world.clock,
    random: seededRandom(3),
    ...options.layer,
  })
  const peer = await world.rawUdp(world.host('10.0.0.2'))
  return { world, transport, layer, peer }
}

let calls = 0

export function request(
  method: string,
  options: { uri?: string; headers?: readonly (readonly [string, string])[]; body?: string } = {},
): SipRequest {
  const uri = options.uri ?? 'sip:peer@10.0.0.2'
  return createRequest({
    method,
    uri,
    headers: [
      ['Max-Forwards', '70'],
      ['From', '<sip:us@10.0.0.1>;tag=us'],
      ['To', `<${uri}>`],
      ['Call-ID', `out-${++calls}`],
      ['CSeq', `1 ${method}`],
      ...(options.headers ?? []),
    ],
    ...(options.body !== undefined && { body: options.body, contentType: 'text/plain' }),
  })
}

/** Everything a client transaction tells its user, as lines with times. */
export function watch(world: World, transaction: ClientTransaction): string[] {
  const lines: string[] = []
  const note = (text: string): void => {
    lines.push(`${world.clock.now()} ${text}`)
  }
  transaction.onResponse = response => note(`${response.statusCode}`)
  transaction.onTimeout = error => note(`timeout ${error.timer}, ${error.provisionals} provisional`)
  transaction.onTransportError = error => note(`transport ${error.failure}`)
  transaction.onTerminated = () => note('terminated')
  return lines
}

/** At the end of every test: nothing is left, neither transactions nor timers. */
export async function assertClean(t: Test, { world, transport, layer }: Bench): Promise<void> {
  await world.clock.advance(100_000)
  t.equal(layer.size, 0, 'no transaction is left')
  layer.close()
  await transport.close()
  await world.clock.settle()
  t.equal(world.clock.pendingTimers, 0, 'no timer is left')
}
