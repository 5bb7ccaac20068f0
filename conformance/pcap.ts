/** Datagrams as a capture file: IPv4 and UDP put around them again. */

import { writeFileSync } from 'node:fs'
import type { SocketAddress } from '../src/runtime/runtime.ts'

export interface Datagram {
  readonly atMs: number
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly data: Uint8Array
}

/** Frames that begin with IP. */
const LINKTYPE_RAW = 101
const SNAP_LENGTH = 65_535

export function writePcap(file: string, datagrams: readonly Datagram[]): void {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(SNAP_LENGTH, 16)
  head.writeUInt32LE(LINKTYPE_RAW, 20)
  writeFileSync(file, Buffer.concat([head, ...datagrams.flatMap(record)]))
}

function record({ atMs, from, to, data }: Datagram): Buffer[] {
  const frame = Buffer.alloc(28)
  frame.writeUInt8(0x45, 0)
  frame.writeUInt16BE(28 + data.length, 2)
  frame.writeUInt8(64, 8)
  frame.writeUInt8(17, 9)
  frame.set(octetsOf(from.address), 12)
  frame.set(octetsOf(to.address), 16)
  frame.writeUInt16BE(from.port, 20)
  frame.writeUInt16BE(to.port, 22)
  frame.writeUInt16BE(8 + data.length, 24)
  const head = Buffer.alloc(16)
  head.writeUInt32LE(Math.floor(atMs / 1000), 0)
  head.writeUInt32LE(Math.floor((atMs % 1000) * 1000), 4)
  head.writeUInt32LE(frame.length + data.length, 8)
  head.writeUInt32LE(frame.length + data.length, 12)
  return [head, frame, Buffer.from(data)]
}

function octetsOf(address: string): number[] {
  return address.split('.').map(Number)
}
