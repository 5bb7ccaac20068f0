/**
 * An endpoint for scenarios that need more than an answer: what it does depends on the user that is dialled. It is written
 * on the public API, as a user would.
 */

import { parseArgs } from 'node:util'
import { createEndpoint, type IncomingCall } from '../src/index.ts'

const { values } = parseArgs({ options: { listen: { type: 'string', multiple: true, default: [] } } })
const endpoint = await createEndpoint({ listen: values.listen })

const behaviours: Readonly<Record<string, (call: IncomingCall) => Promise<void> | void>> = {
  /** Rings until the caller gives up. */
  ring: async call => {
    call.ring()
    await call.ended
  },
  /** Says nothing at all. */
  silent: async call => {
    await call.ended
  },
  /** Talks before it answers. */
  early: async call => {
    await call.progress()
    await call.sleep(500)
    await call.answer()
    await call.ended
  },
  /** Puts the caller on hold before it answers. */
  hold: async call => {
    await call.progress()
    await call.sleep(300)
    await call.hold()
    await call.answer()
    await call.ended
  },
  busy: call => call.reject(486),
  /** Answers, and hangs up soon after. */
  bye: async call => {
    await call.answer()
    await call.sleep(600)
  },
}

process.on('SIGINT', () => void endpoint.close())
console.log(JSON.stringify({ event: 'listening', listen: endpoint.listening }))
await endpoint.serve(async call => {
  const user = /^sips?:([^@]*)@/.exec(call.local.uri.toString())?.[1] ?? ''
  await (behaviours[user] ?? (() => call.reject(404)))(call)
})
