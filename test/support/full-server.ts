/** A server whose accept queue is full and stays full: a further connection hangs, as at a host that swallows packets. */
import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'

/** Linux only: other systems reset what does not fit. */
export async function startFullServer(
  host = '127.0.0.1',
): Promise<{ port: number; close(): Promise<void> }> {
  // In its own thread, which then never comes back to accepting.
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    const server = require('node:net').createServer()
    server.listen({ host: workerData, port: 0, backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`,
    { eval: true, workerData: host },
  )
  const [port] = (await once(worker, 'message')) as [number]
  const fillers = Array.from({ length: 8 }, () => net.connect(port, host))
  for (const filler of fillers) filler.on('error', () => {})
  await Promise.race(fillers.map((filler) => once(filler, 'connect')))
  return {
    port,
    close: async () => {
      for (const filler of fillers) filler.destroy()
      await worker.terminate()
    },
  }
}
