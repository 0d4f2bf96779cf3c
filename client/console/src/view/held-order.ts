import { type Signal, useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { Contract } from '../contracts.ts'

/**
 * The rows in their order, but not while somebody is about to choose one: as long as the pointer or the focus is in the list, rows stay
 * where they are, and new ones come behind them.
 */
export function useHeldOrder(items: readonly Contract[]) {
  const isPointedAt = useSignal(false)
  const isFocused = useSignal(false)
  const order = useRef<readonly string[]>([])
  const shown = isPointedAt.value || isFocused.value ? heldBy(order.current, items) : items
  order.current = shown.map(({ contract_id }) => contract_id)

  const set = (flag: Signal<boolean>, value: boolean) => () => {
    flag.value = value
  }
  const handlers = {
    // A finger leaves no pointer behind that could go away.
    onPointerEnter: ({ pointerType }: PointerEvent) => {
      if (pointerType === 'mouse') isPointedAt.value = true
    },
    onPointerLeave: set(isPointedAt, false),
    onFocusIn: set(isFocused, true),
    onFocusOut: set(isFocused, false),
  }
  return { shown, handlers }
}

function heldBy(order: readonly string[], items: readonly Contract[]): Contract[] {
  const places = new Map(order.map((id, place) => [id, place]))
  const placeOf = ({ contract_id }: Contract) => places.get(contract_id) ?? order.length
  return items.toSorted((a, b) => placeOf(a) - placeOf(b))
}
