/** Why the hub does not start, for the person who typed the command. `fix` says what to do about it. */
export class StartRefusal extends Error {
  readonly fix: string

  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartRefusal'
    this.fix = fix
  }
}
