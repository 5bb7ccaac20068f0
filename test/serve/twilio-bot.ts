/** A bot at `ws://bot.lab` of Twilio's dialect, and what it asks for over HTTP. */

import { serverAddress } from './world.ts'
import type { World } from './world.ts'

/** The one that `rest` names. */
const accountSid = `AC${'5'.repeat(32)}`
export const authToken: string = 'looking-glass'
export const bot: string = "agents: { bot: { url: 'ws://bot.lab/', dialect: twilio } }\n"
export const rest: string = `twilioRest: { host: ${serverAddress}, port: 8081, accountSid: ${accountSid}, authToken: ${authToken} }\n`

/** What a bot posts about its call. */
export async function post(
  { bots: [first], host }: World,
  form: Readonly<Record<string, string>>,
  password: string = authToken,
): Promise<{ readonly status: number; readonly body: string }> {
  const { start } = first!.messages.find(({ event }) => event === 'start') as unknown as {
    readonly start: { readonly callSid: string; readonly accountSid: string }
  }
  const url = `http://${serverAddress}:8081/2010-04-01/Accounts/${start.accountSid}/Calls/${start.callSid}.json`
  const response = await host.fetch(url, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${Buffer.from(`${start.accountSid}:${password}`).toString('base64')}`,
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(form).toString(),
  })
  return { status: response.status, body: await response.text() }
}
