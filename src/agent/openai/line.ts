import type { Clock, Network, Timer } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import type { OpenAiSettings } from './options.ts'

/** Items come back with audio in them: minutes of it, in base64. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024

/** A time limit that `signal` can end early. */
export interface Limit {
  readonly signal: AbortSignal
  readonly done: () => void
}

export function limit(clock: Clock, ms: number, signal: AbortSignal, message: string): Limit {
  const controller = new AbortController()
  const stop = (): void => controller.abort(signal.reason)
  const timer: Timer = clock.setTimer(clock.now() + ms, () => controller.abort(new Error(message)))
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  return {
    signal: controller.signal,
    done() {
      timer.cancel()
      signal.removeEventListener('abort', stop)
    },
  }
}

export function openLine(
  network: Network,
  { url, apiKey, headers = {}, tls }: OpenAiSettings,
  signal: AbortSignal,
): Promise<WebSocketConnection> {
  const own = Object.keys(headers).some(name => /^(?:authorization|api-key)$/i.test(name))
  return network.openWebSocket({
    url,
    headers: { ...(!own && { Authorization: `Bearer ${apiKey}` }), ...headers },
    signal,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    ...(tls !== undefined && { tls }),
  })
}
