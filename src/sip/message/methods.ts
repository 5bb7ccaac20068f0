export interface MethodFacts {
  /** Answers to it may create a dialog. */
  createsDialog: boolean
  /** It may refresh the remote target of a dialog: its Contact matters. */
  refreshesTarget: boolean
  /** A Contact must be there (RFC 3261 §8.1.1.8 and the method's own RFC). */
  needsContact: boolean
}

function facts(createsDialog: boolean, refreshesTarget: boolean, needsContact: boolean): MethodFacts {
  return { createsDialog, refreshesTarget, needsContact }
}

/** The registered methods. Method names are case-sensitive. */
export const methods: ReadonlyMap<string, MethodFacts> = new Map([
  ['INVITE', facts(true, true, true)], // RFC 3261
  ['ACK', facts(false, false, false)],
  ['BYE', facts(false, false, false)],
  ['CANCEL', facts(false, false, false)],
  ['REGISTER', facts(false, false, false)],
  ['OPTIONS', facts(false, false, false)],
  ['PRACK', facts(false, false, false)], // RFC 3262
  ['UPDATE', facts(false, true, true)], // RFC 3311
  ['MESSAGE', facts(false, false, false)], // RFC 3428
  ['REFER', facts(true, true, true)], // RFC 3515
  ['PUBLISH', facts(false, false, false)], // RFC 3903
  ['INFO', facts(false, false, false)], // RFC 6086
  ['SUBSCRIBE', facts(true, true, true)], // RFC 6665
  ['NOTIFY', facts(true, true, true)],
])
