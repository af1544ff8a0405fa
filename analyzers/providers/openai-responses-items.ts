/**
 * The item events of a Responses stream, as a table: how each changes the output item that it
 * names by `output_index`. What the table does not know leaves the items as they are.
 */
import type { Json } from '../../src/messages/schema.ts'
import type { JsonDraft, JsonRecord } from '../wire/json.ts'
import { draftOf, isRecord, recordOf, textOf } from '../wire/json.ts'
import { appendText, indexOf, listAt, recordAt, setAt, slotAt } from './stream-format.ts'

/** Output items by `output_index`. */
export type OutputItems = Map<number, JsonDraft>

type Change = (item: JsonDraft, event: JsonRecord) => void

/** Applies one event; `type` starts with `response.`. */
export function applyItemEvent(items: OutputItems, type: string, event: JsonRecord): void {
  const index = indexOf(event['output_index'])
  if (index === undefined) return
  const name = type.replace(/^response\./u, '')
  if (name === 'output_item.added' || name === 'output_item.done') {
    if (isRecord(event['item'])) items.set(index, draftOf(event['item']))
    return
  }
  const rule = Object.hasOwn(rules, name) ? rules[name] : statusRule(name)
  if (rule === undefined) return
  let item = items.get(index)
  if (item === undefined) {
    // The event that opened the item was not seen; its kind follows from what changes it.
    item = { type: rule.item }
    if (typeof event['item_id'] === 'string') item['id'] = event['item_id']
    items.set(index, item)
  }
  rule.change(item, event)
}

interface Rule {
  /** Type of the items that such events belong to. */
  readonly item: string
  readonly change: Change
}

const rules: Readonly<Record<string, Rule>> = {
  'content_part.added': { item: 'message', change: setPart },
  'content_part.done': { item: 'message', change: setPart },
  ...grownPart('output_text', 'message', 'content', 'text'),
  ...grownPart('refusal', 'message', 'content', 'refusal'),
  ...grownPart('reasoning_text', 'reasoning', 'content', 'text'),
  'output_text.annotation.added': {
    item: 'message',
    change(item, event) {
      const index = indexOf(event['annotation_index'])
      const part = partOf(item, 'content', event['content_index'], 'output_text')
      if (index !== undefined && part !== undefined && isRecord(event['annotation'])) {
        setAt(listAt(part, 'annotations'), index, event['annotation'])
      }
    },
  },
  'reasoning_summary_part.added': { item: 'reasoning', change: setSummary },
  'reasoning_summary_part.done': { item: 'reasoning', change: setSummary },
  ...grownPart('reasoning_summary_text', 'reasoning', 'summary', 'text'),
  ...grownField('function_call_arguments', 'function_call', 'arguments'),
  ...grownField('custom_tool_call_input', 'custom_tool_call', 'input'),
  ...grownField('mcp_call_arguments', 'mcp_call', 'arguments'),
  ...grownField('code_interpreter_call_code', 'code_interpreter_call', 'code'),
  'shell_call_command.added': { item: 'shell_call', change: setCommand },
  'shell_call_command.done': { item: 'shell_call', change: setCommand },
  'shell_call_command.delta': {
    item: 'shell_call',
    change(item, event) {
      const index = indexOf(event['command_index'])
      const delta = textOf(event['delta'])
      if (index === undefined || delta === undefined) return
      const commands = listAt(recordAt(item, 'action'), 'commands')
      setAt(commands, index, (textOf(commands[index]) ?? '') + delta)
    },
  },
  'shell_call_output_content.delta': {
    item: 'shell_call_output',
    change(item, event) {
      const index = indexOf(event['command_index'])
      if (index === undefined) return
      const output = slotAt(listAt(item, 'output'), index)
      for (const key of ['stdout', 'stderr']) {
        appendText(output, key, recordOf(event['delta'])[key])
      }
    },
  },
}

/** `web_search_call.searching` and its like say how far a built-in tool is. */
function statusRule(name: string): Rule | undefined {
  const match = /^(\w+_call|mcp_list_tools)\.([a-z_]+)$/u.exec(name)
  const [, item, status] = match ?? []
  if (item === undefined || status === undefined || status === 'partial_image') return undefined
  return {
    item,
    change(target) {
      target['status'] = status
    },
  }
}

/** `<name>.delta` appends to one field of a part, `<name>.done` replaces it. */
function grownPart(
  name: string,
  item: string,
  list: 'content' | 'summary',
  field: string,
): Record<string, Rule> {
  const indexKey = list === 'summary' ? 'summary_index' : 'content_index'
  const type = list === 'summary' ? 'summary_text' : name
  const at = (target: JsonDraft, event: JsonRecord): JsonDraft | undefined =>
    partOf(target, list, event[indexKey], type)
  return {
    [`${name}.delta`]: {
      item,
      change(target, event) {
        const part = at(target, event)
        if (part !== undefined) appendText(part, field, event['delta'])
      },
    },
    [`${name}.done`]: {
      item,
      change(target, event) {
        const part = at(target, event)
        const value = textOf(event[field])
        if (part !== undefined && value !== undefined) part[field] = value
      },
    },
  }
}

/** The same for a field of the item itself. */
function grownField(name: string, item: string, field: string): Record<string, Rule> {
  return {
    [`${name}.delta`]: {
      item,
      change: (target, event) => appendText(target, field, event['delta']),
    },
    [`${name}.done`]: {
      item,
      change(target, event) {
        const value = textOf(event[field])
        if (value !== undefined) target[field] = value
      },
    },
  }
}

function partOf(
  item: JsonDraft,
  list: 'content' | 'summary',
  at: Json | undefined,
  type: string,
): JsonDraft | undefined {
  const index = indexOf(at)
  return index === undefined ? undefined : slotAt(listAt(item, list), index, () => ({ type }))
}

function setPart(item: JsonDraft, event: JsonRecord): void {
  setIn(listAt(item, 'content'), event['content_index'], event['part'])
}

function setSummary(item: JsonDraft, event: JsonRecord): void {
  setIn(listAt(item, 'summary'), event['summary_index'], event['part'])
}

function setIn(list: Json[], at: Json | undefined, part: Json | undefined): void {
  const index = indexOf(at)
  if (index !== undefined && isRecord(part)) setAt(list, index, draftOf(part))
}

function setCommand(item: JsonDraft, event: JsonRecord): void {
  const index = indexOf(event['command_index'])
  const command = textOf(event['command'])
  if (index === undefined || command === undefined) return
  setAt(listAt(recordAt(item, 'action'), 'commands'), index, command)
}
