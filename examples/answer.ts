// Answers every call and says back what it hears.
//   npm run -s build && node dist/examples/answer.js   then call sip:echo@127.0.0.1:5060
import { createEndpoint } from 'offhook'

const endpoint = await createEndpoint({ listen: [process.env['LISTEN'] ?? 'udp://127.0.0.1:5060'] })
console.log(`answering on ${endpoint.listening.join(' and ')}`)
process.once('SIGINT', () => void endpoint.close())

await endpoint.serve(async call => {
  const { input, output } = await call.answer()
  for await (const frame of input) await output.write(frame.samples)
})
