/** One fenced block of a page that is code to be compiled: ```ts title="agent.ts" */
export interface CodeBlock {
  /** From `title="…"`. */
  readonly title: string
  readonly code: string
  /** Of the fence, counted from one. */
  readonly line: number
}

/** The TypeScript blocks of a Markdown page that have a title; the rest are fragments to read. */
export function titledBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = []
  for (const match of markdown.matchAll(/^```ts[ \t]+title="([^"]+)"[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)) {
    const line = markdown.slice(0, match.index).split('\n').length
    blocks.push({ title: match[1] ?? '', code: match[2] ?? '', line })
  }
  return blocks
}

/** Lines that are more than a closing brace, a comment or nothing. */
export function countLines(code: string): number {
  return code.split('\n').filter(line => line.trim() !== '').length
}
