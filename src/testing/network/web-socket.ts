import type { PeerCertificate, SocketAddress, StreamConnection } from '../../runtime/runtime.ts'

const MESSAGE = 1
const PING = 2
const PONG = 3
const HEAD_BYTES = 5

/** Messages over a simulated connection: a frame is its kind, its length in four octets, and its payload. */
export class SimulatedWebSocket implements StreamConnection {
  onData: ((data: Uint8Array) => void) | undefined
  onClose: ((error?: Error) => void) | undefined
  readonly #inner: StreamConnection
  #held: Buffer = Buffer.alloc(0)
  #onPong: (() => void) | undefined

  constructor(inner: StreamConnection) {
    this.#inner = inner
    inner.onData = data => this.#receive(data)
    inner.onClose = error => this.onClose?.(error)
  }

  get local(): SocketAddress {
    return this.#inner.local
  }

  get remote(): SocketAddress {
    return this.#inner.remote
  }

  get peer(): PeerCertificate | undefined {
    return this.#inner.peer
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes
  }

  write(data: Uint8Array): void {
    this.#frame(MESSAGE, data)
  }

  ping(onPong: () => void): void {
    this.#onPong = onPong
    this.#frame(PING, new Uint8Array())
  }

  end(): void {
    this.#inner.end()
  }

  destroy(): void {
    this.#inner.destroy()
  }

  #frame(kind: number, payload: Uint8Array): void {
    const frame = Buffer.alloc(HEAD_BYTES + payload.length)
    frame.writeUInt8(kind, 0)
    frame.writeUInt32BE(payload.length, 1)
    frame.set(payload, HEAD_BYTES)
    this.#inner.write(frame)
  }

  #receive(data: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, data])
    while (this.#held.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + this.#held.readUInt32BE(1)
      if (this.#held.length < end) return
      const kind = this.#held.readUInt8(0)
      const payload = this.#held.subarray(HEAD_BYTES, end)
      this.#held = this.#held.subarray(end)
      if (kind === MESSAGE) this.onData?.(payload)
      else if (kind === PING) this.#frame(PONG, payload)
      else this.#onPong?.()
    }
  }
}
