/** The tokens of a session: where they are stored, and how they are refreshed. */

import { ProblemError, unwrap, type Problem } from "./problems.js";
import { codeOf, unlessAborted, withRepeats, withTimeout, type Fetch } from "./transport.js";

export interface Tokens {
  token: string;
  refresh?: string;
  /** When `token` expires, in milliseconds by this device's clock. */
  expires_at?: number;
}

export interface TokenStorage {
  load(): Tokens | undefined | Promise<Tokens | undefined>;
  save(tokens: Tokens | undefined): void | Promise<void>;
  /** The Web Lock of this storage, if several tabs share it. */
  lock?: string;
}

export function memoryStorage(): TokenStorage {
  let stored: Tokens | undefined;
  return { load: () => stored, save: (tokens) => void (stored = tokens) };
}

/** `localStorage`; memory while the browser refuses it, because it is blocked or full. */
export function browserStorage(name = "movie-booking-client"): TokenStorage {
  const memory = memoryStorage();
  return {
    lock: name,
    load: () => memory.load() ?? loadFromBrowser(name),
    save: (tokens) => {
      try {
        if (tokens) localStorage.setItem(name, JSON.stringify(tokens));
        else localStorage.removeItem(name);
        memory.save(undefined);
      } catch {
        memory.save(tokens);
      }
    },
  };
}

function loadFromBrowser(name: string): Tokens | undefined {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined; // refused, or not written by this client
  }
}

type IssuedTokens = Pick<Tokens, "token" | "refresh"> & { expires_in: number };

/** A token is refreshed when it expires within this time. */
const MARGIN_MS = 10_000;
/**
 * The server accepts a replaced refresh token for ten seconds. A refresh whose response is lost
 * must be repeated within that time, or it ends the session.
 */
const REFRESH_TIMEOUT_MS = 4_000;

export class Session {
  #refreshing: Promise<string | undefined> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Whether there was a session when the tokens were last read or saved. */
  #active = false;
  readonly #fetch: Fetch;

  constructor(
    readonly options: {
      baseUrl: string;
      fetch: Fetch;
      storage: TokenStorage;
      onSessionEnd: (problem?: Problem) => void;
    },
  ) {
    this.#fetch = withRepeats(withTimeout(options.fetch, REFRESH_TIMEOUT_MS));
  }

  /** Return a `fetch` that sends the token, and refreshes it when it has expired. */
  authorize(fetch: Fetch): Fetch {
    return async (request) => {
      const send = (token?: string) => fetch(withToken(request, token));
      const token = await unlessAborted(this.#currentToken(), request.signal);
      const response = await send(token);
      const refused = response.status === 401 && (await codeOf(response))?.startsWith("token_");
      if (!refused || token === undefined) return response;
      const newer = await unlessAborted(this.#refreshed(token), request.signal);
      return newer === undefined ? response : send(newer);
    };
  }

  /** Store the tokens of a login. */
  async start(issued: IssuedTokens): Promise<void> {
    await this.#exclusively(() => this.#save(issued));
  }

  /** Remove the tokens, and return the last ones. */
  async end(): Promise<Tokens | undefined> {
    return this.#exclusively(async () => {
      const tokens = await this.options.storage.load();
      this.#active = false;
      await this.options.storage.save(undefined);
      return tokens;
    });
  }

  /** Return the stored tokens; report the end of the session if another tab removed them. */
  async #load(): Promise<Tokens | undefined> {
    const tokens = await this.options.storage.load();
    if (tokens) this.#active = true;
    else this.#reportEnd();
    return tokens;
  }

  #reportEnd(problem?: Problem): void {
    if (!this.#active) return;
    this.#active = false;
    this.options.onSessionEnd(problem);
  }

  async #currentToken(): Promise<string | undefined> {
    const tokens = await this.#load();
    if (!tokens?.refresh || !tokens.expires_at) return tokens?.token;
    const expires = tokens.expires_at - Date.now() < MARGIN_MS;
    return expires ? this.#refreshed(tokens.token) : tokens.token;
  }

  /**
   * Return a newer token than `stale`; undefined when the session has ended. All calls share one
   * refresh, so aborting a call must not abort the refresh.
   */
  #refreshed(stale: string): Promise<string | undefined> {
    this.#refreshing ??= this.#exclusively(() => this.#refresh(stale)).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(stale: string): Promise<string | undefined> {
    const { baseUrl, storage } = this.options;
    const tokens = await this.#load();
    if (tokens && tokens.token !== stale) return tokens.token; // another tab was faster
    if (!tokens?.refresh) {
      await storage.save(undefined);
      this.#reportEnd();
      return undefined;
    }
    const response = await this.#fetch(
      new Request(`${baseUrl}/api/auth/refresh`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ refresh: tokens.refresh }),
      }),
    );
    const body = await response.json().catch(() => undefined);
    if (response.status !== 401) {
      return this.#save(unwrap<IssuedTokens>({ data: body, error: body, response }));
    }
    await storage.save(undefined);
    this.#reportEnd(new ProblemError(body, response).problem);
    return undefined;
  }

  async #save(issued: IssuedTokens): Promise<string> {
    const { token, refresh, expires_in } = issued;
    this.#active = true;
    const expires_at = Date.now() + expires_in * 1000;
    await this.options.storage.save({ token, refresh, expires_at });
    return token;
  }

  /** Run the work while no other call or tab changes the tokens. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const { lock } = this.options.storage;
    const locks = globalThis.navigator?.locks as LockManager | undefined;
    if (lock && locks) return locks.request(lock, work) as Promise<T>;
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

function withToken(request: Request, token: string | undefined): Request {
  const copy = request.clone();
  if (token !== undefined) copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}
