/** A state machine as a table: state → move → next state. A state with no moves is final. */
export type Machine<State extends string, Move extends string> = Record<State, Partial<Record<Move, State>>>

/** The state after the move, or undefined when the move is not legal there. */
export function next<State extends string, Move extends string>(machine: Machine<State, Move>, from: State, move: Move): State | undefined {
  return machine[from][move]
}

export function isFinal<State extends string, Move extends string>(machine: Machine<State, Move>, state: State): boolean {
  return Object.keys(machine[state]).length === 0
}
