import { OptionError } from '../../runtime/errors.ts'
import type { AgentSession } from '../agent.ts'
import { objectOf, stringsOf, textOf } from './json.ts'
import type { StreamTarget } from './options.ts'

export interface VoicerunAgent {
  readonly agentId: string
  /** Default `production`. */
  readonly environment?: string
  /** Default `https://api.voicerun.com`. */
  readonly api?: string
  /** Default `mic`, what the web client says. */
  readonly inputType?: string
  /** On the request that starts the call. */
  readonly headers?: Readonly<Record<string, string>>
  /** Default `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch
}

/** The `url` for `streamAgent({ dialect: 'voicerun' })`: each call is announced by HTTP, and the answer says where its WebSocket is. */
export function voicerunUrl(
  agent: VoicerunAgent,
): (session: AgentSession, signal: AbortSignal) => Promise<StreamTarget> {
  const { agentId, environment = 'production', api = 'https://api.voicerun.com', inputType = 'mic' } = agent
  if (!/^[\w-]+$/.test(agentId))
    throw new OptionError('agentId', 'give the id of the agent, letters, digits and hyphens')
  const query = new URLSearchParams({ inputType, environment })
  const place = `${api}/v1/agents/${agentId}/call?${query.toString()}`
  return async (_session, signal) => {
    const response = await (agent.fetch ?? globalThis.fetch)(place, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...agent.headers },
      body: '{}',
      signal,
    })
    if (!response.ok)
      throw new Error(`it refused the call with ${response.status}: check agentId and environment`)
    const { url, parameters } = objectOf(objectOf(await response.json())['data'])
    return {
      url: textOf(url),
      parameters: { agentId, environment, inputType, ...stringsOf(parameters) },
    }
  }
}
