/** The signals by which a user, a terminal or a supervisor ends a command that runs until then. */

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of stopSignals) {
      process.once(signal, () => {
        resolve()
        // With our handler gone, the next signal does what it does by default.
      })
    }
  })
}

/** From now on those signals are the child's business, which has them from the terminal too. */
export function leaveSignalsToChild(): void {
  for (const signal of stopSignals) process.on(signal, () => {})
}
