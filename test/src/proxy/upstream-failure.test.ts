import { describe, expect, test } from 'vitest'

import { connectTimeoutCode } from '../../../src/proxy/upstream-connector.ts'
import { explainUpstreamFailure } from '../../../src/proxy/upstream-failure.ts'

const authority = 'api.openai.com:443'

function failed(code: string, message = 'connect to 10.0.0.7:443 with key sk-1'): Error {
  return Object.assign(new Error(message), { code })
}

describe('a failure', () => {
  test.each([
    ['ECONNREFUSED', 502, 'upstream-unreachable', /refused the connection/u],
    ['ENOTFOUND', 502, 'upstream-unreachable', /has no address \(DNS\)/u],
    ['EAI_AGAIN', 502, 'upstream-unreachable', /DNS did not answer/u],
    ['EHOSTUNREACH', 502, 'upstream-unreachable', /cannot be reached/u],
    ['ENETUNREACH', 502, 'upstream-unreachable', /cannot be reached/u],
    ['ETIMEDOUT', 504, 'upstream-timeout', /in time/u],
    [connectTimeoutCode, 504, 'upstream-timeout', /in time/u],
    ['HPE_INVALID_CONSTANT', 502, 'upstream-protocol-error', /not HTTP/u],
    ['HPE_HEADER_OVERFLOW', 502, 'upstream-protocol-error', /not HTTP/u],
    ['ERR_PORTHOLE_BAD_STATUS', 502, 'upstream-protocol-error', /not HTTP/u],
    ['ECONNRESET', 502, 'upstream-closed', /closed the connection before it answered/u],
    ['EPIPE', 502, 'upstream-closed', /closed/u],
  ])('%s is told as %i %s', (code, status, name, message) => {
    const told = explainUpstreamFailure(failed(code), authority, 'waiting')

    expect(told).toMatchObject({ status, code: name })
    expect(told.message).toMatch(message)
    expect(told.message.startsWith(authority)).toBe(true)
    expect(told.tls).toBeUndefined()
  })

  test.each([
    ['CERT_HAS_EXPIRED', /has expired/u],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /self-signed/u],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /unknown authority/u],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /for another name/u],
  ])('%s of a certificate is told with the way to trust it', (code, message) => {
    const told = explainUpstreamFailure(failed(code), authority, 'connect')

    expect(told).toMatchObject({ status: 502, code: 'upstream-tls-failed', tls: { code } })
    expect(told.message).toMatch(message)
    expect(told.tls?.hint).toContain('--upstream-ca')
  })

  test.each([['EPROTO'], ['ERR_SSL_WRONG_VERSION_NUMBER'], ['ERR_TLS_HANDSHAKE_TIMEOUT']])(
    '%s is told as a failed handshake',
    (code) => {
      const told = explainUpstreamFailure(failed(code), authority, 'connect')

      expect(told).toMatchObject({ status: 502, code: 'upstream-tls-failed', tls: { code } })
    },
  )

  test.each([[new Error('odd')], [undefined], ['text'], [failed('CONSTRUCTOR')], [{}]])(
    'of an unknown kind (%s) is told as a closed connection',
    (error) => {
      expect(explainUpstreamFailure(error, authority, 'connect')).toEqual({
        status: 502,
        code: 'upstream-closed',
        message: `${authority} closed the connection`,
      })
    },
  )

  test('of several addresses is told by the first', () => {
    const error = new AggregateError([failed('ECONNREFUSED'), failed('EHOSTUNREACH')])

    expect(explainUpstreamFailure(error, authority, 'connect').message).toContain('refused')
  })

  test('is told in one line, without the text of the error', () => {
    for (const code of ['ECONNREFUSED', 'CERT_HAS_EXPIRED', 'EPROTO', 'unheard-of']) {
      const told = JSON.stringify(explainUpstreamFailure(failed(code), authority, 'connect'))

      expect(told).not.toContain('10.0.0.7')
      expect(told).not.toContain('sk-1')
      expect(told).not.toContain(String.raw`\n`)
    }
  })
})
