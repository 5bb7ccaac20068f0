/** `node fuzz.js [MESSAGES] [CALLS] [SEED]`: the same seed gives the same run. Exit status 0 when nothing was harmed. */

import { setPriority } from 'node:os'
import { complaintsAbout, runLiveFuzz } from '../test/support/live-fuzz.ts'
import { torture } from './rfc4475/messages.ts'
import { tortureIpv6 } from './rfc5118/messages.ts'

// Beside it run checks that look at the time.
setPriority(19)
const [messages = 100_000, calls = 100, seed = 1] = process.argv.slice(2).map(Number)
const samples = [...torture, ...tortureIpv6].map(({ bytes }) => bytes)
// Virtual time keeps no process alive; should it stand still, this says so.
const alive = setTimeout(() => {
  console.log('the run did not end within ten minutes')
  process.exit(1)
}, 600_000)
const result = await runLiveFuzz({ messages, calls, seed, samples })
clearTimeout(alive)
const { received, rejected, dropped } = result.transport
console.log(
  `${received} messages received, ${rejected} rejected, ${dropped.malformed} dropped, ${result.callsOfStrangers} calls of strangers`,
)
const complaints = complaintsAbout(result)
for (const complaint of complaints) console.log(complaint)
process.exitCode = complaints.length === 0 ? 0 : 1
