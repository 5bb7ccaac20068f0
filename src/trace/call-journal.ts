import type { CallRecord } from './call-record.ts'
import { readJournal } from './journal.ts'

/** What a trace appends: the record as it was when the call began, and again when it ended. */
export interface CallLine {
  readonly event: 'began' | 'ended'
  readonly record: CallRecord
}

/**
 * The calls in a journal that a `Trace` wrote, one record each, in the order they began. A call that was cut off because the process
 * died has the state `in progress`.
 */
export function readCalls(file: string): CallRecord[] {
  const records = new Map<string, CallRecord>()
  for (const line of readJournal(file).lines) if (isCallLine(line)) records.set(line.record.id, line.record)
  return [...records.values()]
}

function isCallLine(line: unknown): line is CallLine {
  return typeof line === 'object' && line !== null && 'record' in line
}
