import { mediaDtmfChannel } from '../media/session/diagnostics.ts'
import type { Reporter } from './reporter.ts'

/** Reports the digits others press. Not a reader of `call.dtmf()`: that would take away what the agent has not read yet. */
export function reportDigits(reporter: Reporter, mask: boolean): () => void {
  return mediaDtmfChannel.subscribe(({ call, direction, digit: pressed, durationMs }) => {
    if (direction === 'in') {
      const digit = mask ? '*' : pressed
      reporter.say({ event: 'dtmf', id: call, digit, durationMs }, `call ${call}: digit ${digit}`)
    }
  })
}
