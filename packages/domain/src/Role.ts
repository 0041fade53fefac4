/**
 * What a key may do. `predict`: call models. `read`: see what is served, and how it does. `admin`: change it, and all of the
 * others.
 */
export const roles = ["predict", "read", "admin"] as const
export type Role = (typeof roles)[number]
