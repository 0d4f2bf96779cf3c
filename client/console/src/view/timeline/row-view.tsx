import { Component } from 'preact'
import type { RoomStore } from '../../room/room-store.ts'
import type { Row } from '../../room/rows.ts'
import { CallRow } from './call-row.tsx'
import { LineRow, StubRow } from './line-row.tsx'
import { MessageRow } from './message-row.tsx'

interface Props {
  row: Row
  store: RoomStore
}

/** A class for the sake of one question: a row that is the same object is not drawn again, however long the room. */
export class RowView extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return next.row !== this.props.row
  }

  override render() {
    const { row, store } = this.props
    switch (row.kind) {
      case 'message':
        return <MessageRow row={row} contract_id={store.contract_id} />
      case 'call':
        return <CallRow row={row} store={store} />
      case 'line':
        return <LineRow row={row} contract_id={store.contract_id} />
      case 'stub':
        return <StubRow row={row} contract_id={store.contract_id} />
    }
  }
}
