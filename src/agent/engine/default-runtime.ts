import { createNodeRuntime } from '../../runtime/node.ts'
import type { Runtime } from '../../runtime/runtime.ts'

let shared: Runtime | undefined

/** This machine. */
export function defaultRuntime(): Runtime {
  shared ??= createNodeRuntime()
  return shared
}
