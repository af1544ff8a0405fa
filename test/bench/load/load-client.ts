/** The load client, a process of its own: `open` a job, `run` stretches of it, `close` it. */
import { serveParent } from '../serve-parent.ts'
import type { RoutedJob, Stretch } from './jobs.ts'
import { openJob } from './run-job.ts'
import type { RunningJob } from './run-job.ts'

let current: RunningJob | undefined

async function close(): Promise<void> {
  const job = current
  current = undefined
  await job?.close()
}

serveParent(
  {
    open: async (job: RoutedJob) => {
      await close()
      current = await openJob(job)
    },
    run: (stretch: Stretch) => {
      if (current === undefined) throw new Error('no job is open')
      return current.run(stretch)
    },
    close,
  },
  {},
)
