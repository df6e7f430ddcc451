export * from "./client.js";
export type { LiveSeats, UnavailableSeat } from "./live.js";
export * from "./problems.js";
export { browserStorage, memoryStorage, type Tokens, type TokenStorage } from "./session.js";
export type { components, operations, paths } from "./schema.js";
