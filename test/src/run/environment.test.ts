import { describe, expect, test } from 'vitest'

import type { ChildEnvironmentInput } from '../../../src/run/environment.ts'
import {
  childEnvironment,
  childVariables,
  extraRootFiles,
  replacedRootFiles,
} from '../../../src/run/environment.ts'

const proxyUrl = 'http://porthole:token@127.0.0.1:4321'

function build(over: Partial<ChildEnvironmentInput> = {}) {
  return childEnvironment({
    parent: {},
    proxyUrl,
    caCertPath: '/run/ca.pem',
    bundlePath: '/run/bundle.pem',
    platform: 'linux',
    ...over,
  })
}

describe('the proxy variables', () => {
  test('are set in both cases and replace inherited ones', () => {
    const { env } = build({
      parent: { HTTPS_PROXY: 'http://corporate:8080', https_proxy: 'http://corporate:8080' },
    })

    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
      expect(env[name]).toBe(proxyUrl)
      expect(env[name.toLowerCase()]).toBe(proxyUrl)
    }
    expect(env['NODE_USE_ENV_PROXY']).toBe('1')
  })

  test('exist once on Windows, where names ignore case', () => {
    const { env } = build({
      platform: 'win32',
      parent: { Https_Proxy: 'http://corporate:8080', Ssl_Cert_File: String.raw`C:\roots.pem` },
    })

    const names = Object.keys(env).map((name) => name.toLowerCase())
    expect(new Set(names).size).toBe(names.length)
    expect(env['HTTPS_PROXY']).toBe(proxyUrl)
    expect(env['SSL_CERT_FILE']).toBe('/run/bundle.pem')
  })

  test('keep the user from bypassing what is to be seen, and say so', () => {
    const { env, notes } = build({
      parent: { NO_PROXY: '*,intern.example, api.openai.com', no_proxy: '.corp.example' },
      interceptedHosts: ['api.openai.com'],
    })

    const expected = 'localhost,127.0.0.1,::1,intern.example,.corp.example,*.corp.example'
    expect(env['NO_PROXY']).toBe(expected)
    expect(env['no_proxy']).toBe(expected)
    expect(notes).toHaveLength(2)
    expect(notes[0]).toContain('*')
    expect(notes[1]).toContain('api.openai.com')
  })
})

describe('the trust variables', () => {
  test('get the CA where they add roots and the bundle where they replace them', () => {
    const { env } = build()

    for (const { name, kind } of childVariables) {
      if (kind === 'adds-roots') expect(env[name], name).toBe('/run/ca.pem')
      if (kind === 'replaces-roots') expect(env[name], name).toBe('/run/bundle.pem')
    }
    expect(env['NODE_EXTRA_CA_CERTS']).toBe('/run/ca.pem')
    expect(env['CODEX_CA_CERTIFICATE']).toBe('/run/bundle.pem')
    expect(env['SSL_CERT_FILE']).toBe('/run/bundle.pem')
  })

  test('leave the roots of a program alone when there is no bundle', () => {
    const { env } = build({ bundlePath: undefined, parent: { SSL_CERT_FILE: '/etc/own.pem' } })

    expect(env['SSL_CERT_FILE']).toBe('/etc/own.pem')
    expect(env['REQUESTS_CA_BUNDLE']).toBeUndefined()
    expect(env['NODE_EXTRA_CA_CERTS']).toBe('/run/ca.pem')
  })

  test('of npm and yarn are replaced only where they are set', () => {
    expect(build().env['npm_config_cafile']).toBeUndefined()
    expect(build({ parent: { npm_config_cafile: '/own.pem' } }).env['npm_config_cafile']).toBe(
      '/run/bundle.pem',
    )
  })

  test('leave SSL_CERT_DIR, which is read beside SSL_CERT_FILE', () => {
    expect(build({ parent: { SSL_CERT_DIR: '/certs' } }).env['SSL_CERT_DIR']).toBe('/certs')
  })

  test('name the inherited files, so that none is lost', () => {
    const parent = {
      NODE_EXTRA_CA_CERTS: '/corp/node.pem',
      DENO_CERT: '/corp/deno.pem',
      SSL_CERT_FILE: '/corp/roots.pem',
      REQUESTS_CA_BUNDLE: '/corp/roots.pem',
      npm_config_cafile: '/corp/npm.pem',
      CURL_CA_BUNDLE: '',
    }

    expect(extraRootFiles(parent, 'linux')).toEqual(['/corp/node.pem', '/corp/deno.pem'])
    expect(replacedRootFiles(parent, 'linux')).toEqual(['/corp/roots.pem', '/corp/npm.pem'])
  })
})

describe('everything else', () => {
  test('stays as it was, and the parent is not changed', () => {
    const parent = { PATH: '/bin', NODE_OPTIONS: '--max-old-space-size=100', OPENAI_API_KEY: 'k' }
    const before = { ...parent }

    const { env } = build({ parent })

    expect(env).toMatchObject(before)
    expect(parent).toEqual(before)
  })

  test('that would accept any certificate is taken out', () => {
    const { env } = build({ parent: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })

    expect('NODE_TLS_REJECT_UNAUTHORIZED' in env).toBe(false)
  })

  test('lists every variable once and never NODE_OPTIONS', () => {
    const names = childVariables.map(({ name }) => name)

    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain('NODE_OPTIONS')
  })
})

describe('Java', () => {
  const java = { truststorePath: '/run dir/cacerts', truststorePassword: 'changeit' }

  test('is untouched without a truststore', () => {
    expect(build({ parent: { JAVA_TOOL_OPTIONS: '-Xmx1g' } }).env['JAVA_TOOL_OPTIONS']).toBe(
      '-Xmx1g',
    )
  })

  test('keeps its own options and gets truststore and proxy', () => {
    const { env } = build({
      java,
      proxyUrl: 'http://127.0.0.1:4321',
      parent: { JAVA_TOOL_OPTIONS: '-Xmx1g' },
    })

    const options = env['JAVA_TOOL_OPTIONS'] ?? ''
    expect(options.startsWith('-Xmx1g "-Djavax.net.ssl.trustStore=/run dir/cacerts" ')).toBe(true)
    expect(options).toContain('-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4321')
  })

  test('is not sent to a proxy whose token it cannot give', () => {
    const options = build({ java }).env['JAVA_TOOL_OPTIONS'] ?? ''

    expect(options).toContain('trustStore')
    expect(options).not.toContain('proxyHost')
  })
})
