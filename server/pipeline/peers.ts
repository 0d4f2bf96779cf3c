/** What one node tells the others that follow an audience. Lossy and unordered: nothing may depend on it but how soon something is seen. */
export interface PeerMessage {
  kind: string
  [field: string]: unknown
}

export interface Peers {
  tell(audience: string, message: PeerMessage): void
  onPeer(listen: (audience: string, message: PeerMessage) => void): void
  /** The bus is back: what was said meanwhile was not heard. */
  onRejoin(listen: () => void): void
  /** Resolves when what this node asked to follow is in force, or after a moment. */
  followed(): Promise<void>
}

/** A node by itself. */
export const noPeers: Peers = { tell: () => {}, onPeer: () => {}, onRejoin: () => {}, followed: () => Promise.resolve() }
