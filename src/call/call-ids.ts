import type { Runtime } from '../runtime/runtime.ts'

/** Ours, not the Call-ID: short, and the same alphabet in logs, URLs and file names. */
export function newCallId({ random }: Runtime): string {
  return `c${Buffer.from(random.bytes(10)).toString('hex')}`
}
