// Calls a number by the first of two trunks that takes it, keeps to two calls a second, and tells how the trunks are.
//   FIRST=sbc1.example SECOND=sbc2.example NUMBER=+15550100 node dist/examples/trunk.js
import { createEndpoint, createTrunk, createTrunkGroup, TrunkCallError, trunkOf, trunks } from 'offhook'

const { FIRST = '127.0.0.1:5070', SECOND = '127.0.0.1:5060', NUMBER = '+15550100' } = process.env
const endpoint = await createEndpoint({ listen: ['tcp://127.0.0.1:0'] })

function open(name: string, host: string) {
  const trunk = createTrunk(
    endpoint,
    trunks.generic({
      name,
      hosts: [host],
      transport: 'tcp',
      caller: '+15550199',
      numbers: 'e164',
      cps: 2,
      maxDurationMs: 3_600_000,
      health: { intervalMs: 10_000, downAfter: 1 },
    }),
  )
  trunk.on('state', (state, before, reason) =>
    console.log(`${name}: ${before} -> ${state}${reason === undefined ? '' : `, ${reason}`}`),
  )
  return trunk
}

const lines = [open('first', FIRST), open('second', SECOND)]
const group = createTrunkGroup(lines)
try {
  const call = await group.call(NUMBER)
  console.log(`answered by ${trunkOf(call)}, ${call.media.codec.name}`)
  await call.sleep(500)
  await call.hangup()
} catch (error) {
  if (!(error instanceof TrunkCallError)) throw error
  for (const { trunk, edge, reason } of error.left) console.log(`${trunk} (${edge}): ${reason}`)
  process.exitCode = 1
} finally {
  for (const line of lines) await line.close()
  await endpoint.close()
}
