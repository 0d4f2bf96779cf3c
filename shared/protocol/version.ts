/** The wire's version. It grows only when an old client could misread a new hub. */
export const PROTOCOL = 1

/** Every protocol this hub speaks, oldest first. A hello with another one is refused with this list. */
export const PROTOCOLS_SPOKEN: readonly number[] = [PROTOCOL]
