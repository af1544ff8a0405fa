/** The whole screen, at most as large as the terminal, and the keys. */
import { Box, useApp, useInput, useWindowSize } from 'ink'
import type { ReactElement } from 'react'
import { useSyncExternalStore } from 'react'

import { keyNames } from '../keys.ts'
import { screenParts } from '../screen-parts.ts'
import type { ViewerStore } from '../store.ts'
import type { Theme } from '../theme.ts'
import { Detail } from './detail.tsx'
import { HeaderLine } from './header-line.tsx'
import { Help } from './help.tsx'
import { List } from './list.tsx'
import { Picker } from './picker.tsx'
import { SessionCalls, Sessions } from './sessions.tsx'
import { StatusLine } from './status-line.tsx'

export interface AppProps {
  readonly store: ViewerStore
  readonly title: string
  readonly theme: Theme
}

/** What the app exits with when the user quits. */
export const quitResult = 'quit'

export function App({ store, title, theme }: AppProps): ReactElement {
  useSyncExternalStore(store.subscribe, store.version)
  const size = useWindowSize()
  const { exit } = useApp()
  useInput((input, key) => {
    if (store.press(keyNames(input, key), size)) exit(quitResult)
  })
  const frame = store.frame(size)
  const { columns: width, rows: height } = size
  const { listHeight, detailHeight, helpHeight } = screenParts(size)
  const { ui } = frame
  return (
    <Box flexDirection="column" width={width} height={height} overflow="hidden">
      <HeaderLine frame={frame} title={title} width={width} theme={theme} />
      {ui.overlay === 'help' ? (
        <Help width={width} height={helpHeight} top={ui.helpTop} theme={theme} />
      ) : ui.overlay === 'columns' ? (
        <Picker frame={frame} width={width} height={helpHeight} theme={theme} />
      ) : ui.screen === 'detail' ? (
        <Detail frame={frame} width={width} height={detailHeight} theme={theme} />
      ) : ui.screen === 'sessions' ? (
        <Sessions frame={frame.sessions} width={width} height={listHeight} theme={theme} />
      ) : ui.screen === 'session' ? (
        <SessionCalls frame={frame.session} width={width} height={listHeight} theme={theme} />
      ) : (
        <List frame={frame} width={width} height={listHeight} theme={theme} />
      )}
      <StatusLine frame={frame} width={width} theme={theme} />
    </Box>
  )
}
