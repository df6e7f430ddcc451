/** Sends requests with a time limit, and repeats them. */

import { NoResponseError } from "./problems.js";

export type Fetch = (request: Request) => Promise<Response>;

const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
/** A response with a longer Retry-After is returned at once. */
const LONGEST_PAUSE_MS = 30_000;
/** 502 and 504 come from a proxy that got no response from the API. */
const REPEATED_STATUSES = new Set([429, 502, 503, 504]);

/**
 * Return a `fetch` that gives up after `timeoutMs`. It resolves once the whole body has arrived,
 * and rejects with a `NoResponseError` if the connection breaks before, even inside the body.
 */
export function withTimeout(fetch: Fetch, timeoutMs: number): Fetch {
  return async (request) => {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    const signal = AbortSignal.any([request.signal, timeout.signal]);
    try {
      const response = await fetch(new Request(request.clone(), { signal }));
      await response.clone().arrayBuffer();
      return response;
    } catch (error) {
      request.signal.throwIfAborted();
      throw new NoResponseError(error);
    } finally {
      clearTimeout(timer); // it would abort reading the response later
    }
  };
}

/** Return a `fetch` that repeats a request until the API has decided about it, at most 5 times. */
export function withRepeats(fetch: Fetch): Fetch {
  return async (request) => {
    for (let attempt = 1; ; attempt++) {
      let pause = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
      try {
        const response = await fetch(request);
        if (attempt === ATTEMPTS || !(await isUndecided(response))) return response;
        const seconds = Number(response.headers.get("Retry-After"));
        if (seconds > 0) pause = seconds * 1000;
        if (pause > LONGEST_PAUSE_MS) return response;
      } catch (error) {
        if (attempt === ATTEMPTS || !(error instanceof NoResponseError)) throw error;
      }
      await unlessAborted(new Promise((resolve) => setTimeout(resolve, pause)), request.signal);
    }
  };
}

async function isUndecided(response: Response): Promise<boolean> {
  return (
    REPEATED_STATUSES.has(response.status) ||
    (response.status === 409 && (await codeOf(response)) === "idempotency_key_in_progress")
  );
}

/** Return the `code` of a problem document, without reading the body of the response itself. */
export async function codeOf(response: Response): Promise<string | undefined> {
  const document = await response.clone().json().catch(() => undefined);
  return document?.code;
}

/** Wait for the promise, but no longer than until the signal is aborted. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
