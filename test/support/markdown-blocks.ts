/** What of a Markdown text is code, by the rule of CommonMark §4.5, and what is not. */
export interface MarkdownBlocks {
  /** Lines outside of any code block, without the fences. */
  readonly prose: readonly string[]
  readonly code: readonly string[]
  /** The last block has its end. */
  readonly isClosed: boolean
}

export function readBlocks(text: string): MarkdownBlocks {
  const prose: string[] = []
  const code: string[] = []
  let fence = ''
  let block: string[] = []
  for (const line of text.split('\n')) {
    const run = /^ {0,3}(`{3,})([^`]*)$/u.exec(line)
    if (fence === '') {
      if (run === null) prose.push(line)
      fence = run?.[1] ?? ''
      block = []
    } else if (run !== null && (run[1] ?? '').length >= fence.length && run[2]?.trim() === '') {
      code.push(block.join('\n'))
      fence = ''
    } else {
      block.push(line)
    }
  }
  return { prose, code, isClosed: fence === '' }
}
