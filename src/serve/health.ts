import type { HttpListener, HttpRequest, HttpResponse } from '../runtime/web.ts'
import type { Network } from '../runtime/runtime.ts'

/** Whether calls should be sent here. */
export interface Readiness {
  readonly ready: boolean
  /** Why not; no personal data. */
  readonly reasons: readonly string[]
}

export interface HealthHost {
  readiness(): Readiness
  metrics(): string
}

/** What orchestrators ask: `/healthz`, `/readyz` and `/metrics`. @throws SipError SIP_TRANSPORT the port is taken */
export function listenHealth(
  network: Network,
  { host, port }: { readonly host: string; readonly port: number },
  served: HealthHost,
): Promise<HttpListener> {
  return network.listenHttp({
    host,
    port,
    maxBodyBytes: 0,
    maxConnections: 100,
    onRequest: request => Promise.resolve(answer(request, served)),
  })
}

const pages: Readonly<Record<string, (served: HealthHost) => HttpResponse>> = {
  '/healthz': () => json(200, { status: 'ok' }),
  '/readyz': served => {
    const readiness = served.readiness()
    return json(readiness.ready ? 200 : 503, readiness)
  },
  '/metrics': served => ({
    status: 200,
    headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: served.metrics(),
  }),
}

function answer({ method, url }: HttpRequest, served: HealthHost): HttpResponse {
  const path = url.split('?', 1)[0] ?? ''
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  if (page === undefined) return json(404, { error: `there are ${Object.keys(pages).join(', ')}` })
  if (method !== 'GET' && method !== 'HEAD')
    return { ...json(405, { error: 'GET it' }), headers: { Allow: 'GET, HEAD' } }
  const response = page(served)
  return method === 'HEAD' ? { ...response, body: '' } : response
}

function json(status: number, value: unknown): HttpResponse {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
    body: `${JSON.stringify(value)}\n`,
  }
}
