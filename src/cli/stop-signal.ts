/** The signals by which a user, a terminal or a supervisor ends a command that runs until then. */

/** Resolves at the first SIGINT, SIGTERM or SIGHUP; a second one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        resolve()
        // With our handler gone, the next signal does what it does by default.
      })
    }
  })
}
