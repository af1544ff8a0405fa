import { describe, expect, test } from 'vitest'

import { explainClientTls } from '../../../src/proxy/intercept.ts'

describe('trouble in TLS with a client', () => {
  test.each([
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN'],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'],
    ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED'],
  ])('%s means distrust, and says how to trust', (code) => {
    expect(explainClientTls(code)).toEqual({
      code,
      hint: expect.stringMatching(/does not trust .*NODE_EXTRA_CA_CERTS/u),
      isSilent: false,
      isDistrust: true,
    })
  })

  test.each([['ECONNRESET'], ['closed-during-handshake'], ['closed-after-handshake']])(
    '%s is silent: it may be distrust, and may be nothing',
    (code) => {
      expect(explainClientTls(code)).toMatchObject({
        isSilent: true,
        hint: expect.stringContaining('does not trust'),
      })
    },
  )

  test.each([
    ['SNI_MISMATCH', /another host in TLS than in CONNECT/u],
    ['ERR_SSL_HTTP_REQUEST', /did not speak TLS/u],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /did not speak TLS/u],
    ['ERR_SSL_NO_APPLICATION_PROTOCOL', /HTTP\/2 only/u],
    ['ERR_SOMETHING_NEW', /handshake with the client failed/u],
  ])('%s is explained', (code, hint) => {
    const trouble = explainClientTls(code)

    expect(trouble.hint).toMatch(hint)
    expect(trouble.isSilent).toBe(false)
  })
})
