/**
 * The child's end of the channel to the benchmark: it says once that it is ready, answers questions
 * by type, and ends with its parent, so that nothing outlives a benchmark that was killed.
 */

interface Question {
  readonly id: number
  readonly type: string
  readonly argument: unknown
}

export type Answers = Readonly<Record<string, (argument: never) => unknown>>

/** Answers questions of the given types; others are left to whoever else listens. */
export function answerParent(answers: Answers): void {
  process.on('message', (message) => {
    const { id, type, argument } = message as Question
    const answer = answers[type] as ((argument: unknown) => unknown) | undefined
    if (answer === undefined) return
    void settle(id, answer, argument)
  })
}

/** Tells the parent that this process is up, with what it needs to know of it. */
export function serveParent(
  answers: Answers,
  ready: unknown,
  close = (): unknown => undefined,
): void {
  const stop = async (): Promise<void> => {
    await close()
    process.exit()
  }
  answerParent({ ...answers, stop })
  process.on('disconnect', () => void stop())
  process.on('SIGTERM', () => void stop())
  send({ id: 0, value: ready })
}

/** The settings that the parent gave as the only argument. */
export function settingsFromParent(): unknown {
  return JSON.parse(process.argv[2] ?? '{}')
}

async function settle(
  id: number,
  answer: (argument: unknown) => unknown,
  argument: unknown,
): Promise<void> {
  try {
    send({ id, value: await answer(argument) })
  } catch (error) {
    send({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

function send(message: object): void {
  if (process.connected) process.send?.(message)
}
