import { describe, expect, test } from 'vitest'

import { Conversations } from '../../analyzers/conversations.ts'
import { HttpParser } from '../../analyzers/http-parser.ts'
import { ModelCalls } from '../../analyzers/model-calls.ts'
import { SseMerger } from '../../analyzers/sse-merger.ts'
import { analyzerConformance } from '../support/analyzer-conformance.ts'

analyzerConformance('Conversations', () => new Conversations(), {
  before: () => [new HttpParser(), new SseMerger(), new ModelCalls()],
  remembers: true,
})
