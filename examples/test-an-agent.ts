// Tests an agent in virtual time on a bad network: no port is opened, and minutes pass in milliseconds.
//   node dist/examples/test-an-agent.js
import { runAgent } from 'offhook'
import { demoMenu } from 'offhook/agent'
import { createLab } from 'offhook/testing'

const lab = createLab({ seed: 7, network: { delayMs: 40, jitterMs: 60, loss: 0.05, reorder: 0.02 } })
const endpoint = await lab.endpoint('agent.lab')
void runAgent(endpoint, await demoMenu())

const caller = lab.caller()
void caller.call('sip:menu@agent.lab')
void caller.hears({ speech: true })
void caller.press('2') // in the middle of the prompt
void caller.hears({ toneHz: 440 })
void caller.press('9')
void caller.isHungUp()
await lab.run()

const [record] = lab.records
if (record === undefined) throw new Error('the call left no record')
console.log(lab.ladder(record.id))
console.log(
  `${(lab.clock.now() / 1000).toFixed(1)} s of virtual time, fingerprint ${lab.fingerprint.slice(0, 12)}`,
)
