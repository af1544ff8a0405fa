// Builds dist/: compiled sources, the assets they read at run time, and the message schema.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

rmSync(dist, { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], { stdio: 'inherit' })

// Sources and dist share one shape, so a path relative to a module is right in both.
for (const asset of ['ca/trust', 'test/fixtures/provider']) {
  if (existsSync(join(root, asset))) {
    cpSync(join(root, asset), join(dist, asset), {
      recursive: true,
      filter: (source) => !source.endsWith('.ts'),
    })
  }
}

const { messageJsonSchema } = await import(pathToFileURL(join(dist, 'src/messages/json-schema.js')))
writeFileSync(
  join(dist, 'message.schema.json'),
  `${JSON.stringify(messageJsonSchema(), null, 2)}\n`,
)
chmodSync(join(dist, 'src/main.js'), 0o755)

// `npx porthole` in a checkout: without this link npm would ask whether it may install the package.
const bin = join(root, 'node_modules/.bin')
const link = join(bin, 'porthole')
const main = '../../dist/src/main.js'
// One that is right stays: another build may be using it.
if (process.platform !== 'win32' && existsSync(bin) && linked(link) !== main) {
  rmSync(link, { force: true })
  symlinkSync(main, link)
}

function linked(path) {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
