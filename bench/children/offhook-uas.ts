/**
 * What is measured for signalling: the whole SIP stack with its dialogs and retransmissions, answering without media, and a
 * record of each call appended to a journal.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNodeRuntime } from '../../src/runtime/node.ts'
import { UserAgentCore } from '../../src/sip/dialog/core.ts'
import { TransactionLayer } from '../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../src/sip/transport/transport-layer.ts'
import { Journal } from '../../src/trace/journal.ts'
import { beMeasured } from '../support/measured-child.ts'

const answerSdp = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40000 RTP/AVP 0',
  'a=rtpmap:0 PCMU/8000',
  '',
].join('\r\n')

const folder = mkdtempSync(join(tmpdir(), 'offhook-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const journal = new Journal(join(folder, 'calls.jsonl'))
const runtime = createNodeRuntime()
const { clock } = runtime
const transport = new TransportLayer({ runtime, listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] })
const transactions = new TransactionLayer({ transport, clock, random: runtime.random })
const core = new UserAgentCore({ transactions, transport, runtime, userAgent: 'Offhook' })
const answer = { contentType: 'application/sdp', body: Buffer.from(answerSdp) }
let answered = 0

core.onInvite = session => {
  const invitedAt = clock.wallTime()
  let confirmedAt: number | undefined
  session.handlers = {
    onConfirmed: () => (confirmedAt = clock.wallTime()),
    onEnd: ({ by, cause }) => {
      const { callId, invite } = session
      const endedAt = clock.wallTime()
      journal.append({
        callId,
        from: invite.from.uri.toString(),
        to: invite.to.uri.toString(),
        by,
        cause,
        times: { invitedAt, confirmedAt, endedAt },
      })
    },
  }
  answered += 1
  session.ring()
  session.answer({ body: answer })
}

await transport.open()
beMeasured([transport.bound[0]?.local.port ?? 0], () => ({ answered }))
