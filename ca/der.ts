/**
 * DER (ITU-T X.690) in the few shapes that certificates need, over node-forge's ASN.1 tree. It
 * knows no certificate: what is built from these pieces is in `certificate.ts`, `name-constraints.ts`
 * and `export.ts`. Forge carries bytes as latin-1 strings; here they go in and out as Buffers.
 */
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1
/** Tag numbers are numbers here: a context-specific one names no universal type. */
const create: (tagClass: number, type: number, constructed: boolean, value: string | Der[]) => Der =
  asn1.create

export type Der = forge.asn1.Asn1

export function sequence(...items: readonly Der[]): Der {
  return create(Class.UNIVERSAL, Type.SEQUENCE, true, [...items])
}

export function set(...items: readonly Der[]): Der {
  return create(Class.UNIVERSAL, Type.SET, true, [...items])
}

/** `dotted` is an object identifier such as `2.5.29.19`. */
export function objectId(dotted: string): Der {
  return primitive(Type.OID, asn1.oidToDer(dotted).getBytes())
}

/** `bytes` are the two's complement, most significant first. */
export function integer(bytes: Uint8Array): Der {
  return primitive(Type.INTEGER, latin1(bytes))
}

export function smallInteger(value: number): Der {
  return primitive(Type.INTEGER, asn1.integerToDer(value).getBytes())
}

/** Only TRUE: DER leaves a FALSE default out. */
export function booleanTrue(): Der {
  return primitive(Type.BOOLEAN, '\u00ff')
}

export function nullValue(): Der {
  return primitive(Type.NULL, '')
}

export function octetString(bytes: Uint8Array): Der {
  return primitive(Type.OCTETSTRING, latin1(bytes))
}

/** `unusedBits` counts the padding bits at the end of the last octet. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Der {
  return primitive(Type.BITSTRING, String.fromCodePoint(unusedBits) + latin1(bytes))
}

export function utf8String(text: string): Der {
  return primitive(Type.UTF8, latin1(Buffer.from(text, 'utf8')))
}

/** BMPString: UTF-16, big-endian; forge does the encoding of this one type. */
export function bmpString(text: string): Der {
  return primitive(Type.BMPSTRING, text)
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5); whole seconds. */
export function time(date: Date): Der {
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date))
}

/** An implicitly tagged primitive, such as a dNSName `[2]`. */
export function taggedBytes(tag: number, bytes: Uint8Array): Der {
  return create(Class.CONTEXT_SPECIFIC, tag, false, latin1(bytes))
}

/** A constructed context tag around `items`: explicit around one, or implicit for a sequence. */
export function tagged(tag: number, ...items: readonly Der[]): Der {
  return create(Class.CONTEXT_SPECIFIC, tag, true, [...items])
}

export function encodeDer(der: Der): Buffer {
  return Buffer.from(asn1.toDer(der).getBytes(), 'latin1')
}

/** Throws on anything that is not exactly one DER value. */
export function decodeDer(bytes: Uint8Array): Der {
  return asn1.fromDer(latin1(bytes), decodeOptions)
}

/** The members of a constructed value; throws on a primitive one. */
export function membersOf(der: Der | undefined): readonly Der[] {
  if (der === undefined || typeof der.value === 'string') throw new Error('expected a DER sequence')
  return der.value
}

/** The content octets of a primitive value; throws on a constructed one. */
export function bytesOf(der: Der | undefined): Buffer {
  if (der === undefined || typeof der.value !== 'string') throw new Error('expected DER octets')
  return Buffer.from(der.value, 'latin1')
}

/** The number of a context-specific tag, or undefined for any other value. */
export function contextTagOf(der: Der): number | undefined {
  return der.tagClass === Class.CONTEXT_SPECIFIC ? der.type : undefined
}

/** The dotted text of an object identifier; throws on any other value. */
export function objectIdOf(der: Der | undefined): string {
  if (der?.type !== Type.OID || typeof der.value !== 'string') throw new Error('expected an OID')
  return asn1.derToOid(der.value)
}

/**
 * Bit strings stay bytes: forge would else read every 256th public key as nested ASN.1. The option
 * object is documented by forge, its types know the boolean only.
 */
const decodeOptions = {
  strict: true,
  parseAllBytes: true,
  decodeBitStrings: false,
} as unknown as boolean

function primitive(type: number, value: string): Der {
  return create(Class.UNIVERSAL, type, false, value)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
