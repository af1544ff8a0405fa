/**
 * Every wire format and where it is spoken, as data. Paths match by suffix: gateways and compatibles
 * put their own prefix before them.
 */
import { anthropicComplete, anthropicCompleteWire } from './anthropic-complete.ts'
import { anthropicMessagesWire } from './anthropic-messages-wire.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import { anthropicBatchesWire, anthropicCountWire } from './anthropic-plain-wire.ts'
import { bedrockConverseWire } from './bedrock-converse-wire.ts'
import { bedrockCountWire } from './bedrock-count-wire.ts'
import { bedrockEmbeddingsWire, bedrockInvokeWire } from './bedrock-invoke-wire.ts'
import { cohereChatWire, cohereV1ChatWire } from './cohere-chat-wire.ts'
import { cohereChat } from './cohere-chat.ts'
import { cohereEmbedWire, cohereGenerateWire, cohereRerankWire } from './cohere-plain-wire.ts'
import { cohereV1Chat } from './cohere-v1-chat.ts'
import { geminiInteractionsWire } from './gemini-interactions-wire.ts'
import { geminiInteractions } from './gemini-interactions.ts'
import { createLiveDialect } from './gemini-live-socket.ts'
import { geminiWire } from './gemini-wire.ts'
import { gemini } from './gemini.ts'
import { geminiCountTokensWire, geminiEmbedWire, vertexPredictWire } from './google-plain-wire.ts'
import { mistralFimWire } from './mistral-fim-wire.ts'
import type { CallTarget, ModelWire } from './model-wire.ts'
import { ollamaChatWire, ollamaEmbedWire, ollamaGenerateWire } from './ollama-wire.ts'
import { ollama } from './ollama.ts'
import { openaiRunsWire } from './openai-assistants-wire.ts'
import { openaiAssistants } from './openai-assistants.ts'
import { openaiSpeech, openaiTranscript } from './openai-audio.ts'
import { openaiChatWire } from './openai-chat-wire.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiCompletions } from './openai-completions.ts'
import { openaiImages } from './openai-images.ts'
import {
  openaiImagesWire,
  openaiModerationsWire,
  openaiSpeechWire,
  openaiTranscriptionWire,
  openaiTranslationWire,
} from './openai-media-wire.ts'
import { openaiCompletionsWire, openaiEmbeddingsWire } from './openai-plain-wire.ts'
import { createRealtimeDialect } from './openai-realtime-socket.ts'
import { createResponsesDialect } from './openai-responses-socket.ts'
import { openaiCompactWire, openaiResponsesWire } from './openai-responses-wire.ts'
import { openaiResponses } from './openai-responses.ts'
import { replicateWire } from './replicate.ts'
import type { SocketDialect } from './socket-dialect.ts'
import type { StreamFormat } from './stream-format.ts'
import { voyageRerankWire } from './voyage-rerank-wire.ts'
import { writerCompletionsWire } from './writer-completions.ts'

/** Every streamed format, in the order in which shapes are tried. */
export const streamFormats: readonly StreamFormat[] = [
  openaiChat,
  openaiResponses,
  anthropicMessages,
  openaiCompletions,
  ollama,
  cohereChat,
  cohereV1Chat,
  anthropicComplete,
  gemini,
  geminiInteractions,
  openaiAssistants,
  openaiImages,
  openaiSpeech,
  openaiTranscript,
]

export interface Endpoint {
  readonly path: RegExp
  /** Where the same path means something else on other hosts. */
  readonly host?: RegExp
  readonly wire: ModelWire
}

/** The first row that fits decides: those that a host limits stand before the rest. */
export const endpoints: readonly Endpoint[] = [
  { path: /\/v1\/chat$/u, host: /(?:^|\.)writer\.com$/u, wire: openaiChatWire },
  { path: /\/v1\/completions$/u, host: /(?:^|\.)writer\.com$/u, wire: writerCompletionsWire },
  { path: /\/v1\/rerank$/u, host: /(?:^|\.)voyageai\.com$/u, wire: voyageRerankWire },
  { path: /\/model\/[^?]*embed[^/]*\/invoke$/u, wire: bedrockEmbeddingsWire },
  { path: /\/model\/.+\/invoke(?:-with-response-stream)?$/u, wire: bedrockInvokeWire },
  { path: /\/model\/.+\/converse(?:-stream)?$/u, wire: bedrockConverseWire },
  { path: /\/model\/.+\/count-tokens$/u, wire: bedrockCountWire },
  { path: /\/api\/chat$/u, wire: ollamaChatWire },
  { path: /\/api\/generate$/u, wire: ollamaGenerateWire },
  { path: /\/api\/embed(?:dings)?$/u, wire: ollamaEmbedWire },
  { path: /\/v2\/chat$/u, wire: cohereChatWire },
  { path: /\/v1\/chat$/u, wire: cohereV1ChatWire },
  { path: /\/v1\/generate$/u, wire: cohereGenerateWire },
  { path: /\/v[12]\/embed$/u, wire: cohereEmbedWire },
  { path: /\/v[12]\/rerank$/u, wire: cohereRerankWire },
  { path: /\/chat\/completions$/u, wire: openaiChatWire },
  { path: /\/fim\/completions$/u, wire: mistralFimWire },
  { path: /\/agents\/completions$/u, wire: openaiChatWire },
  { path: /\/responses$/u, wire: openaiResponsesWire },
  { path: /\/completions$/u, wire: openaiCompletionsWire },
  { path: /\/embeddings$/u, wire: openaiEmbeddingsWire },
  { path: /\/v1\/messages$/u, wire: anthropicMessagesWire },
  { path: /\/v1\/messages\/count_tokens$/u, wire: anthropicCountWire },
  { path: /\/v1\/messages\/batches$/u, wire: anthropicBatchesWire },
  { path: /\/v1\/complete$/u, wire: anthropicCompleteWire },
  { path: /(?::|%3A)(?:g|streamG)enerateContent$/u, wire: geminiWire },
  { path: /\/interactions$/u, host: /(?:^|\.)googleapis\.com$/u, wire: geminiInteractionsWire },
  { path: /(?::|%3A)countTokens$/u, wire: geminiCountTokensWire },
  { path: /(?::|%3A)(?:e|batchE|asyncBatchE)mbedContents?$/u, wire: geminiEmbedWire },
  {
    path: /\/publishers\/anthropic\/models\/(?!count-tokens)[^/]+(?::|%3A)(?:r|streamR)awPredict$/u,
    wire: anthropicMessagesWire,
  },
  {
    path: /\/publishers\/mistralai\/models\/[^/]+(?::|%3A)(?:r|streamR)awPredict$/u,
    wire: openaiChatWire,
  },
  { path: /\/models\/[^/]+(?::|%3A)predict$/u, wire: vertexPredictWire },
  {
    path: /\/v1\/(?:models\/[^/]+\/[^/]+\/|deployments\/[^/]+\/[^/]+\/)?predictions$/u,
    wire: replicateWire,
  },
  { path: /\/responses\/compact$/u, wire: openaiCompactWire },
  { path: /\/images\/(?:generations|edits|variations)$/u, wire: openaiImagesWire },
  { path: /\/audio\/speech$/u, wire: openaiSpeechWire },
  { path: /\/audio\/transcriptions$/u, wire: openaiTranscriptionWire },
  { path: /\/audio\/translations$/u, wire: openaiTranslationWire },
  { path: /\/moderations$/u, wire: openaiModerationsWire },
  { path: /\/threads\/(?:[^/]+\/)?runs$/u, wire: openaiRunsWire },
  { path: /\/threads\/[^/]+\/runs\/[^/]+\/submit_tool_outputs$/u, wire: openaiRunsWire },
]

/** Where model calls go over a WebSocket. */
export const sockets: ReadonlyArray<{
  readonly path: RegExp
  readonly open: (target: CallTarget) => SocketDialect
}> = [
  { path: /\/responses$/u, open: createResponsesDialect },
  { path: /\/realtime$/u, open: createRealtimeDialect },
  {
    path: /\/ws\/google\.[\w.]+[./]BidiGenerateContent(?:Constrained)?$/u,
    open: createLiveDialect,
  },
]
