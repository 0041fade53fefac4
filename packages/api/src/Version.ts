/**
 * The version that this server, its documents and its client state.
 */
export const version = "0.1.0"
