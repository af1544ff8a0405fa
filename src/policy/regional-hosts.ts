/**
 * The hosts by which regions of Amazon Bedrock and Vertex AI are called, as data: no host pattern
 * and no name constraint says them without saying far more. Regions are those that the vendors
 * publish; one that is missing here is named like any other host, with `--allow`.
 */

const bedrockRegions = [
  'af-south-1',
  'ap-east-2',
  'ap-northeast-1',
  'ap-northeast-2',
  'ap-northeast-3',
  'ap-south-1',
  'ap-south-2',
  'ap-southeast-1',
  'ap-southeast-2',
  'ap-southeast-3',
  'ap-southeast-4',
  'ap-southeast-5',
  'ap-southeast-6',
  'ap-southeast-7',
  'ca-central-1',
  'ca-west-1',
  'eu-central-1',
  'eu-central-2',
  'eu-north-1',
  'eu-south-1',
  'eu-south-2',
  'eu-west-1',
  'eu-west-2',
  'eu-west-3',
  'il-central-1',
  'me-central-1',
  'me-south-1',
  'mx-central-1',
  'sa-east-1',
  'us-east-1',
  'us-east-2',
  'us-gov-east-1',
  'us-gov-west-1',
  'us-west-1',
  'us-west-2',
] as const

/** Where Bedrock speaks OpenAI's interface too. */
const mantleRegions = [
  'ap-northeast-1',
  'ap-south-1',
  'ap-southeast-2',
  'ap-southeast-3',
  'eu-central-1',
  'eu-north-1',
  'eu-south-1',
  'eu-west-1',
  'eu-west-2',
  'sa-east-1',
  'us-east-1',
  'us-east-2',
  'us-west-2',
] as const

const vertexRegions = [
  'africa-south1',
  'asia-east1',
  'asia-east2',
  'asia-northeast1',
  'asia-northeast2',
  'asia-northeast3',
  'asia-south1',
  'asia-southeast1',
  'asia-southeast2',
  'australia-southeast1',
  'australia-southeast2',
  'europe-central2',
  'europe-north1',
  'europe-southwest1',
  'europe-west1',
  'europe-west2',
  'europe-west3',
  'europe-west4',
  'europe-west6',
  'europe-west8',
  'europe-west9',
  'europe-west12',
  'me-central1',
  'me-central2',
  'me-west1',
  'northamerica-northeast1',
  'northamerica-northeast2',
  'southamerica-east1',
  'southamerica-west1',
  'us-central1',
  'us-east1',
  'us-east4',
  'us-east5',
  'us-south1',
  'us-west1',
  'us-west2',
  'us-west3',
  'us-west4',
] as const

export const bedrockHosts: readonly string[] = [
  ...bedrockRegions.map((region) => `bedrock-runtime.${region}.amazonaws.com`),
  ...mantleRegions.map((region) => `bedrock-mantle.${region}.api.aws`),
]

/** The global one and those of several regions too. */
export const vertexHosts: readonly string[] = [
  'aiplatform.googleapis.com',
  'aiplatform.eu.rep.googleapis.com',
  'aiplatform.us.rep.googleapis.com',
  ...vertexRegions.map((region) => `${region}-aiplatform.googleapis.com`),
]
