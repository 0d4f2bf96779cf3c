/** Without zod, for the console asks the same of a person who types one. */
export const PASSWORD_MIN_CHARS = 10

/** bcrypt reads so many bytes and ignores the rest, so a longer password would be weaker than it looks. */
export const PASSWORD_MOST_BYTES = 72

export function passwordBytes(password: string): number {
  return new TextEncoder().encode(password).length
}
