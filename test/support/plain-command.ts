/**
 * A command line that runs a program as users do. tap puts its hooks into NODE_OPTIONS of every child process as it is
 * spawned, past any `env` option, and some programs do not bear them.
 */
export function plainCommand(command: string, args: readonly string[]): [command: string, args: string[]] {
  return ['env', ['-u', 'NODE_OPTIONS', command, ...args]]
}
