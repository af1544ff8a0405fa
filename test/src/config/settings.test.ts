import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'

import { AppError } from '../../../src/base/errors.ts'
import type { CommandName } from '../../../src/config/options.ts'
import { optionsOf, optionTable } from '../../../src/config/options.ts'
import type { Settings } from '../../../src/config/settings.ts'
import { resolveSettings } from '../../../src/config/settings.ts'

interface Given {
  readonly command?: CommandName
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  readonly file?: unknown
}

function resolve(given: Given = {}): Settings {
  const file =
    given.file === undefined
      ? undefined
      : {
          path: '/etc/porthole.json',
          text: typeof given.file === 'string' ? given.file : JSON.stringify(given.file),
        }
  return resolveSettings({
    command: given.command ?? 'start',
    flags: given.flags ?? {},
    env: given.env ?? {},
    file,
  })
}

function failure(given: Given): AppError {
  try {
    resolve(given)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const texts = (patterns: Settings['allow']): string[] => patterns.map(({ text }) => text)

describe('without anything given', () => {
  test('start listens on 8080 of loopback, run and demo on any port of it', () => {
    expect(resolve().listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect(resolve({ command: 'run' }).listen).toEqual({ host: '127.0.0.1', port: 0 })
    expect(resolve({ command: 'demo' }).listen).toEqual({ host: '127.0.0.1', port: 0 })
  })

  test('the defaults are those that help names', () => {
    const settings = resolve()

    expect(texts(settings.allow)).toEqual(['api.openai.com', 'files.openai.com'])
    expect(settings).toMatchObject({
      capture: undefined,
      viewer: true,
      json: false,
      connectTo: [],
      upstreamCa: [],
      readyFile: undefined,
      credentials: [],
    })
    expect(optionTable.find(({ name }) => name === 'allow')?.defaultText).toBe(
      texts(settings.allow).join(','),
    )
  })
})

/** Two different values of every option that a setting shows, and what reads it back. */
const layers: Record<
  string,
  {
    readonly flag: unknown
    readonly env: string
    readonly file?: unknown
    readonly read: (settings: Settings) => unknown
    readonly wanted: { readonly flag: unknown; readonly env: unknown; readonly file?: unknown }
  }
> = {
  listen: {
    flag: '127.0.0.1:1111',
    env: '127.0.0.1:2222',
    file: '127.0.0.1:3333',
    read: ({ listen }) => listen.port,
    wanted: { flag: 1111, env: 2222, file: 3333 },
  },
  allow: {
    flag: ['flag.example'],
    env: 'env.example,two.example',
    file: ['file.example'],
    read: ({ allow }) => texts(allow),
    wanted: {
      flag: ['flag.example'],
      env: ['env.example', 'two.example'],
      file: ['file.example'],
    },
  },
  allowPreset: {
    flag: ['anthropic'],
    env: 'openai',
    file: 'gemini',
    read: ({ allow }) => texts(allow)[0],
    wanted: {
      flag: 'api.anthropic.com',
      env: 'api.openai.com',
      file: 'generativelanguage.googleapis.com',
    },
  },
  capture: {
    flag: 'flag.jsonl',
    env: 'env.jsonl',
    file: 'none',
    read: ({ capture }) => capture,
    wanted: { flag: 'flag.jsonl', env: 'env.jsonl', file: 'none' },
  },
  keepCaptures: {
    flag: '30d',
    env: '12h',
    file: '45m',
    read: ({ keepCapturesMs }) => keepCapturesMs,
    wanted: { flag: 2_592_000_000, env: 43_200_000, file: 2_700_000 },
  },
  keepSize: {
    flag: '5GiB',
    env: '500MB',
    file: '1000',
    read: ({ keepBytes }) => keepBytes,
    wanted: { flag: 5_368_709_120, env: 500_000_000, file: 1000 },
  },
  viewer: {
    flag: true,
    env: '0',
    file: false,
    read: ({ viewer }) => viewer,
    wanted: { flag: true, env: false, file: false },
  },
  json: {
    flag: true,
    env: '1',
    read: ({ json }) => json,
    wanted: { flag: true, env: true },
  },
  connectTo: {
    flag: ['a.example:443=127.0.0.1:1'],
    env: 'a.example=127.0.0.1:2',
    file: ['a.example:443=127.0.0.1:3'],
    read: ({ connectTo }) => connectTo.map(({ from, to }) => [from.port, to.port]),
    wanted: { flag: [[443, 1]], env: [[443, 2]], file: [[443, 3]] },
  },
  allowPrivate: {
    flag: false,
    env: '1',
    file: true,
    read: ({ allowPrivate }) => allowPrivate,
    wanted: { flag: false, env: true, file: true },
  },
  tunnelOnReject: {
    flag: false,
    env: '1',
    file: true,
    read: ({ tunnelOnReject }) => tunnelOnReject,
    wanted: { flag: false, env: true, file: true },
  },
  redactContent: {
    flag: 'pii',
    env: 'off',
    file: 'pii',
    read: ({ redactContent }) => redactContent,
    wanted: { flag: 'pii', env: 'off', file: 'pii' },
  },
  defaultAction: {
    flag: 'block',
    env: 'allow',
    file: 'block',
    read: ({ defaultAction }) => defaultAction,
    wanted: { flag: 'block', env: 'allow', file: 'block' },
  },
  prices: {
    flag: 'flag.json',
    env: 'env.json',
    file: 'file.json',
    read: ({ prices }) => prices,
    wanted: { flag: 'flag.json', env: 'env.json', file: 'file.json' },
  },
  onCaFailure: {
    flag: 'tunnel',
    env: 'refuse',
    file: 'tunnel',
    read: ({ onCaFailure }) => onCaFailure,
    wanted: { flag: 'tunnel', env: 'refuse', file: 'tunnel' },
  },
  upstreamProxy: {
    flag: 'http://flag.example:1',
    env: 'http://env.example:1',
    file: 'http://file.example:1',
    read: ({ upstreamProxy }) => upstreamProxy,
    wanted: {
      flag: 'http://flag.example:1',
      env: 'http://env.example:1',
      file: 'http://file.example:1',
    },
  },
  upstreamProxyBypass: {
    flag: ['flag.example', 'x'],
    env: 'env.example',
    file: ['file.example'],
    read: ({ upstreamProxyBypass }) => upstreamProxyBypass,
    wanted: { flag: ['flag.example', 'x'], env: ['env.example'], file: ['file.example'] },
  },
  upstreamCa: {
    flag: ['a.pem', 'b.pem'],
    env: 'c.pem',
    file: 'd.pem',
    read: ({ upstreamCa }) => upstreamCa,
    wanted: { flag: ['a.pem', 'b.pem'], env: ['c.pem'], file: ['d.pem'] },
  },
  route: {
    flag: ['a=https://a.example', 'b=https://b.example'],
    env: 'c=https://c.example',
    file: ['d=https://d.example'],
    read: ({ route }) => route,
    wanted: {
      flag: ['a=https://a.example', 'b=https://b.example'],
      env: ['c=https://c.example'],
      file: ['d=https://d.example'],
    },
  },
  limit: {
    flag: ['connections=1', 'viewers=2'],
    env: 'connections=3,viewers=4',
    read: ({ limits }) => [limits.maxConnections, limits.maxViewers],
    wanted: { flag: [1, 2], env: [3, 4] },
  },
  readyFile: {
    flag: 'flag.json',
    env: 'env.json',
    read: ({ readyFile }) => readyFile,
    wanted: { flag: 'flag.json', env: 'env.json' },
  },
}
test('the agent of a run is taken from the flag, then from the environment', () => {
  const env = { PORTHOLE_AGENT: 'other' }

  expect(resolve({ command: 'run', flags: { agent: 'ci' }, env }).agent).toBe('ci')
  expect(resolve({ command: 'run', env }).agent).toBe('other')
  expect(resolve({ command: 'start', env }).agent).toBeUndefined()
})

/** Read by the command line itself, before there are settings. */
const readEarlier = new Set(['home', 'config'])

describe.each(optionsOf('start').filter(({ name }) => !readEarlier.has(name)))(
  '$name',
  ({ name, env, inFile }) => {
    const layer = layers[name]
    const [variable = '', ...others] = env

    test('is in this table', () => {
      expect(layer).toBeDefined()
    })
    if (layer === undefined) return
    const fromFile = inFile ? { [name]: layer.file } : undefined
    const fromEnv = { [variable]: layer.env }

    test('is taken from the flag before all else', () => {
      const settings = resolve({ flags: { [name]: layer.flag }, env: fromEnv, file: fromFile })

      expect(layer.read(settings)).toEqual(layer.wanted.flag)
    })

    test('is taken from the environment before the file', () => {
      const settings = resolve({ env: fromEnv, file: fromFile })

      expect(layer.read(settings)).toEqual(layer.wanted.env)
    })

    test('is not taken from an empty variable', () => {
      const settings = resolve({ env: { [variable]: '' }, file: fromFile })

      expect(layer.read(settings)).toEqual(layer.read(resolve({ file: fromFile })))
    })

    if (inFile) {
      test('is taken from the file before the default', () => {
        const settings = resolve({ file: fromFile })

        expect(layer.read(settings)).toEqual(layer.wanted.file)
        expect(layer.read(resolve())).not.toEqual(layer.wanted.file)
      })
    }

    if (others.length > 0) {
      test('has further variables that give way to the first', () => {
        const further = Object.fromEntries(others.map((other) => [other, layer.env]))

        expect(layer.read(resolve({ env: further }))).toEqual(layer.wanted.env)
        expect(
          layer.read(resolve({ env: { ...further, [variable]: String(layer.flag) } })),
        ).toEqual(layer.wanted.flag)
      })
    }
  },
)

describe('lists', () => {
  test('may be given as arrays and as text with commas, mixed, with spaces', () => {
    const settings = resolve({ flags: { allow: ['a.example, b.example', ' c.example', ',,'] } })

    expect(texts(settings.allow)).toEqual(['a.example', 'b.example', 'c.example'])
  })

  test('that hold nothing leave the default', () => {
    expect(texts(resolve({ flags: { allow: [',', ''] } }).allow)).toEqual(texts(resolve().allow))
  })

  test('of presets add to given hosts and stand alone without them, each host once', () => {
    const added = resolve({
      flags: { allow: ['a.example', 'api.openai.com'], allowPreset: ['openai'] },
    })
    const alone = resolve({ flags: { allowPreset: ['anthropic'] } })

    expect(texts(added.allow)).toEqual(['a.example', 'api.openai.com', 'files.openai.com'])
    expect(texts(alone.allow)).toEqual(['api.anthropic.com'])
  })
})

describe('switches in the environment', () => {
  test.each([
    ['1', true],
    ['true', true],
    ['YES', true],
    ['on', true],
    ['0', false],
    ['False', false],
    ['no', false],
    ['off', false],
  ])('%j means %s', (text, wanted) => {
    expect(resolve({ env: { PORTHOLE_JSON: text } }).json).toBe(wanted)
  })
})

describe('the listening address', () => {
  test.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['[::]:8080', { host: '::', port: 8080 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ])('%j is taken', (text, listen) => {
    expect(resolve({ flags: { listen: text } }).listen).toEqual(listen)
  })
})

describe('credentials', () => {
  const credential = { host: 'api.openai.com', header: 'Authorization', env: 'KEY' }

  test('come from the file, with a format that stands for the bare value by default', () => {
    const settings = resolve({
      file: { credentials: [credential, { ...credential, format: 'Bearer {}' }] },
    })

    expect(settings.credentials).toMatchObject([
      { header: 'Authorization', variable: 'KEY', format: '{}', host: { text: 'api.openai.com' } },
      { format: 'Bearer {}' },
    ])
  })

  test.each([
    [{ ...credential, header: 'X Y' }],
    [{ ...credential, header: 'X:' }],
    [{ ...credential, header: '' }],
    [{ ...credential, env: '1KEY' }],
    [{ ...credential, env: 'KEY=1' }],
    [{ ...credential, format: 'Bearer' }],
    [{ ...credential, format: 'Bearer {}\r\nX-Evil: 1' }],
    [{ ...credential, value: 'sk-1' }],
    [{ host: 'a', header: 'b' }],
  ])('as %j are refused', (bad) => {
    expect(failure({ file: { credentials: [bad] } }).code).toBe('ERR_CONFIG_UNREADABLE')
  })

  test('for a host that is no pattern are refused as that', () => {
    expect(failure({ file: { credentials: [{ ...credential, host: '*' }] } }).code).toBe(
      'ERR_HOST_PATTERN',
    )
  })
})

describe('what is refused', () => {
  test.each<[string, Given, string, RegExp]>([
    ['a listening address', { flags: { listen: 'nowhere' } }, 'ERR_USAGE', /--listen "nowhere"/u],
    ['a port', { flags: { listen: '127.0.0.1:99999' } }, 'ERR_USAGE', /bad port/u],
    ['a port twice', { flags: { listen: '127.0.0.1:80:0' } }, 'ERR_USAGE', /--listen/u],
    ['a host', { flags: { allow: ['*'] } }, 'ERR_HOST_PATTERN', /"\*"/u],
    ['a URL as host', { flags: { allow: ['https://a.b/'] } }, 'ERR_HOST_PATTERN', /scheme/u],
    ['a preset', { flags: { allowPreset: ['opnai'] } }, 'ERR_USAGE', /"opnai"/u],
    ['a switch', { env: { PORTHOLE_JSON: 'maybe' } }, 'ERR_USAGE', /PORTHOLE_JSON is "maybe"/u],
    ['connect-to', { flags: { connectTo: ['a.example'] } }, 'ERR_USAGE', /--connect-to/u],
    ['connect-to no port', { flags: { connectTo: ['a=b'] } }, 'ERR_USAGE', /--connect-to/u],
    [
      'a broken file',
      { file: '{\n  "allow": nope\n}' },
      'ERR_CONFIG_UNREADABLE',
      /porthole\.json/u,
    ],
    ['an empty file', { file: '' }, 'ERR_CONFIG_UNREADABLE', /porthole\.json/u],
    ['a file that is a list', { file: [] }, 'ERR_CONFIG_UNREADABLE', /porthole\.json/u],
    ['a file with a wrong type', { file: { viewer: 'yes' } }, 'ERR_CONFIG_UNREADABLE', /viewer/u],
    ['a null', { file: { listen: null } }, 'ERR_CONFIG_UNREADABLE', /listen/u],
    ['a key with a newline', { file: { 'a\nb': 1 } }, 'ERR_CONFIG_UNREADABLE', /unknown key/u],
  ])('%s, with a code, one line and a hint', (_what, given, code, text) => {
    const error = failure(given)

    expect(error.code).toBe(code)
    expect(error.message).toMatch(text)
    expect(error.message).not.toContain('\n')
    expect(error.hint).toMatch(/^[^\n{}]+$/u)
  })

  test.each([
    ['allw', 'allow'],
    ['Listen', 'listen'],
    ['upstreamCA', 'upstreamCa'],
    ['connect-to', 'connectTo'],
    ['credential', 'credentials'],
  ])('the unknown key %s names the nearest known one, %s', (key, nearest) => {
    expect(failure({ file: { [key]: 'x' } }).message).toContain(
      `unknown key ${key}; did you mean ${nearest}?`,
    )
  })

  test.each([['json'], ['readyFile'], ['agent'], ['home'], ['config']])(
    'the key %s, which a file must not decide',
    (name) => {
      expect(failure({ file: { [name]: true } }).message).toContain(`unknown key ${name}`)
    },
  )

  test('a key that is near to nothing names none', () => {
    expect(failure({ file: { zzzzzzzzzz: 1 } }).message).not.toContain('did you mean')
  })

  property.prop([fc.json()])('any other JSON as a file gives settings or a usage error', (text) => {
    try {
      expect(Object.isFrozen(resolve({ file: text }))).toBe(true)
    } catch (error) {
      expect(error).toMatchObject({ exitCode: 2 })
    }
  })
})

test('settings are frozen through and through', () => {
  const settings = resolve({
    flags: { connectTo: ['a.example=127.0.0.1:1'], upstreamCa: ['a'] },
    file: { credentials: [{ host: 'a.example', header: 'X', env: 'K' }] },
  })

  const thawed: string[] = []
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    if (!Object.isFrozen(value)) thawed.push(path)
    for (const [name, nested] of Object.entries(value)) visit(nested, `${path}.${name}`)
  }
  visit(settings, 'settings')

  expect(thawed).toEqual([])
})
