import { describe, expect, it } from 'vitest'

import { actionOf, keyMaps, keyNames } from '../../../src/tui/keys.ts'

describe('the key map', () => {
  it('gives no key two meanings on one screen', () => {
    for (const map of Object.values(keyMaps)) {
      const keys = map.flatMap(({ keys }) => keys)

      expect(keys).toEqual([...new Set(keys)])
    }
  })

  it('has one binding for each action of a screen', () => {
    for (const map of Object.values(keyMaps)) {
      const actions = map.map(({ action }) => action)

      expect(actions).toEqual([...new Set(actions)])
    }
  })

  it.each([
    ['j', 'list', 'down'],
    ['up', 'detail', 'up'],
    ['ctrl-d', 'list', 'half-down'],
    ['G', 'list', 'last'],
    ['enter', 'list', 'open'],
    ['esc', 'detail', 'back'],
    ['tab', 'detail', 'next-tab'],
    ['h', 'detail', 'previous-tab'],
    ['?', 'list', 'help'],
    ['q', 'detail', 'back'],
    ['q', 'list', 'quit'],
    ['q', 'session', 'back'],
    ['S', 'list', 'sessions'],
    ['3', 'detail', 'tab-3'],
    ['h', 'export', 'export-har'],
    ['ctrl-c', 'help', 'quit'],
    ['t', 'list', 'toggle-tunnels'],
    ['/', 'list', 'filter'],
    ['f', 'list', 'filter'],
    ['F', 'list', 'toggle-follow'],
  ] as const)('reads %s on the %s screen as %s', (key, screen, action) => {
    expect(actionOf(key, screen)).toBe(action)
  })

  it('has no meaning for other keys', () => {
    expect(actionOf('x', 'list')).toBeUndefined()
    expect(actionOf('enter', 'help')).toBeUndefined()
  })
})

describe('key names', () => {
  it('names special keys', () => {
    expect(keyNames('', { downArrow: true })).toEqual(['down'])
    expect(keyNames('', { tab: true, shift: true })).toEqual(['shift-tab'])
    expect(keyNames('', { escape: true })).toEqual(['esc'])
    expect(keyNames('\r', { return: true })).toEqual(['enter'])
    expect(keyNames('d', { ctrl: true })).toEqual(['ctrl-d'])
    expect(keyNames('', { delete: true })).toEqual(['backspace'])
  })

  it('takes keys that arrive together one by one', () => {
    expect(keyNames('jjk', {})).toEqual(['j', 'j', 'k'])
    expect(keyNames('a b\r', {})).toEqual(['a', 'space', 'b', 'enter'])
    expect(keyNames('日😀', {})).toEqual(['日', '😀'])
  })

  it('drops what is no key', () => {
    expect(keyNames('\u0000\u001d', {})).toEqual([])
    expect(keyNames('x', { meta: true })).toEqual([])
    expect(keyNames('', { ctrl: true })).toEqual([])
  })

  it('knows the names that the key map uses', () => {
    const typed = new Set([
      'space',
      'enter',
      'esc',
      'tab',
      'shift-tab',
      'up',
      'down',
      'left',
      'right',
    ])
    const paged = new Set(['pageup', 'pagedown', 'home', 'end'])
    for (const key of Object.values(keyMaps).flatMap((map) => map.flatMap(({ keys }) => keys))) {
      const isKnown =
        key.length === 1 || /^ctrl-[a-z]$/u.test(key) || typed.has(key) || paged.has(key)

      expect(isKnown, key).toBe(true)
    }
  })
})
