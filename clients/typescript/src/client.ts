/** The client: every call of the API, and the calls that need more than a request. */

import openapi, { type Client as Api } from "openapi-fetch";
import { SeatWatch, type LiveSeats } from "./live.js";
import { unwrap, type Problem } from "./problems.js";
import type { operations, paths } from "./schema.js";
import { browserStorage, memoryStorage, Session, type TokenStorage } from "./session.js";
import { withRepeats, withTimeout, type Fetch } from "./transport.js";

export interface ClientOptions {
  /** The address of the site, without `/api`. */
  baseUrl: string;
  /** Default: `localStorage` in browsers, else memory. */
  storage?: TokenStorage;
  /** Called when the session has ended and the customer must log in again. */
  onSessionEnd?: (problem?: Problem) => void;
  /** How long one attempt may take. Default: 15 seconds. */
  timeoutMs?: number;
  /** Sent with every call, such as `Accept-Language`. */
  headers?: Record<string, string>;
  fetch?: Fetch;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface KeyedCallOptions extends CallOptions {
  /** Default: a new one. To repeat a call after a failure, store its key and pass it again. */
  idempotencyKey?: string;
}

type Body<Operation> = Operation extends {
  requestBody: { content: { "application/json": infer Json } };
}
  ? Json
  : never;
type Answer<Operation, Status extends number> = Operation extends {
  responses: { [S in Status]: { content: { "application/json": infer Json } } };
}
  ? Json
  : never;

type List<Path extends keyof paths> = paths[Path] extends { get: infer Operation }
  ? Answer<Operation, 200>
  : never;
/** The paths whose GET returns pages of a list. */
export type ListPath = {
  [Path in keyof paths]: List<Path> extends unknown[] ? Path : never;
}[keyof paths];
export type Item<Path extends ListPath> = List<Path> extends (infer Each)[] ? Each : never;
type ListParams<Path extends ListPath> = paths[Path] extends { get: { parameters: infer Params } }
  ? Pick<Params, keyof Params & ("query" | "path")>
  : never;
type ListOptions<Path extends ListPath> = CallOptions &
  (object extends ListParams<Path>
    ? { params?: ListParams<Path> }
    : { params: ListParams<Path> });

export type Purchase = Body<operations["bookings_create"]>;
export type Receipt = Answer<operations["bookings_create"], 201>;
export type Account = Answer<operations["auth_login"], 200>;
export type Guest = Answer<operations["auth_guest"], 201>;

export class Client {
  /** Every call of the API. Calls return `{data, error, response}`; `unwrap` throws errors. */
  readonly api: Api<paths>;
  readonly #public: Api<paths>;
  readonly #session: Session;
  readonly #fetch: Fetch;

  constructor(options: ClientOptions) {
    const { timeoutMs = 15_000, headers = {}, onSessionEnd = () => {} } = options;
    const { fetch = (request) => globalThis.fetch(request) } = options;
    const storage =
      options.storage ?? (typeof document === "undefined" ? memoryStorage() : browserStorage());
    const baseUrl = options.baseUrl.replace(/\/+$/, "");
    const once = withTimeout(fetch, timeoutMs);
    const repeated = withRepeats(once);
    const send: Fetch = (request) => (isRepeatable(request) ? repeated : once)(request);
    this.#fetch = fetch;
    this.#session = new Session({ baseUrl, fetch, storage, onSessionEnd });
    this.#public = openapi<paths>({ baseUrl, headers, fetch: send });
    this.api = openapi<paths>({ baseUrl, headers, fetch: this.#session.authorize(send) });
  }

  /** Create an account. Like a purchase, it is repeated with the same key. */
  async register(
    account: Body<operations["auth_register"]>,
    { idempotencyKey = newIdempotencyKey(), signal }: KeyedCallOptions = {},
  ): Promise<Account> {
    const header = { "Idempotency-Key": idempotencyKey };
    return this.#start(
      await this.#public.POST("/api/auth/register", { body: account, params: { header }, signal }),
    );
  }

  async login(
    credentials: Body<operations["auth_login"]>,
    { signal }: CallOptions = {},
  ): Promise<Account> {
    return this.#start(await this.#public.POST("/api/auth/login", { body: credentials, signal }));
  }

  /** Start a session without an account. It cannot be refreshed, so it ends with its token. */
  async guest(
    customer: Body<operations["auth_guest"]>,
    { signal }: CallOptions = {},
  ): Promise<Guest> {
    return this.#start(await this.#public.POST("/api/auth/guest", { body: customer, signal }));
  }

  /** Remove the tokens, and end the session on the server. */
  async logout({ signal }: CallOptions = {}): Promise<void> {
    const tokens = await this.#session.end();
    if (!tokens?.refresh) return;
    const body = { refresh: tokens.refresh };
    const result = await this.#public.POST("/api/auth/logout", { body, signal });
    if (result.response.status !== 401) unwrap(result); // 401: it had ended already
  }

  /**
   * Buy seats. Until the server has decided, the purchase is repeated with the same key, which
   * buys at most once. Throws a `ProblemError`, or a `NoResponseError` after five attempts.
   */
  async buy(
    purchase: Purchase,
    { idempotencyKey = newIdempotencyKey(), signal }: KeyedCallOptions = {},
  ): Promise<Receipt> {
    const header = { "Idempotency-Key": idempotencyKey };
    return unwrap(
      await this.api.POST("/api/bookings", { body: purchase, params: { header }, signal }),
    );
  }

  /** Iterate over the items of all pages of a list. */
  async *list<Path extends ListPath>(
    path: Path,
    ...[options]: object extends ListOptions<Path> ? [ListOptions<Path>?] : [ListOptions<Path>]
  ): AsyncGenerator<Item<Path>, void, undefined> {
    type Page = { data?: Item<Path>[]; error?: unknown; response: Response };
    const get = this.api.GET as (path: Path, init: object) => Promise<Page>;
    const { signal, params }: { signal?: AbortSignal; params?: { query?: object } } = options ?? {};
    for (let query: object | undefined = params?.query ?? {}; query; ) {
      const page = await get(path, { params: { ...params, query }, signal });
      yield* unwrap(page);
      query = nextQuery(page.response);
    }
  }

  /**
   * Yield the seats of a show that cannot be booked, now and after each change, as a caller without
   * a token sees them: seats that the caller holds are `held`. Lost connections are opened again.
   * Ends when the show is over. Throws a `ProblemError` if the show does not exist.
   */
  watchSeats(
    showId: number,
    { signal = new AbortController().signal }: CallOptions = {},
  ): AsyncGenerator<LiveSeats, void, undefined> {
    return new SeatWatch({ api: this.#public, fetch: this.#fetch, showId, signal }).run();
  }

  async #start<Person extends Account | Guest>(result: {
    data?: Person;
    error?: unknown;
    response: Response;
  }): Promise<Person> {
    const person: Person = unwrap(result);
    await this.#session.start(person);
    return person;
  }
}

export function newIdempotencyKey(): string {
  // Unlike randomUUID, this exists on pages without HTTPS as well.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isRepeatable(request: Request): boolean {
  return request.method === "GET" || request.headers.has("Idempotency-Key");
}

/** Return the query parameters of the next page. */
function nextQuery(response: Response): object | undefined {
  const link = /<([^>]*)>; *rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
  return link ? Object.fromEntries(new URL(link, response.url).searchParams) : undefined;
}
