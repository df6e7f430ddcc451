/** Follows the seats of a show: by its stream of events, or by polling while there is none. */

import type { Client as Api } from "openapi-fetch";
import { NoResponseError, ProblemError, unwrap } from "./problems.js";
import type { components, paths } from "./schema.js";
import { unlessAborted, type Fetch } from "./transport.js";

export type UnavailableSeat = components["schemas"]["UnavailableSeat"];

export interface LiveSeats {
  /** The fingerprint of the layout. When it changes, read the layout and the prices again. */
  layout: string;
  /** The seats that cannot be booked, by id. All others are available. */
  unavailable: ReadonlyMap<number, UnavailableSeat>;
}

/** Between two polls, and before a stream is opened again. */
const PAUSE_MS = 3_000;
/** The server sends something every 15 seconds, so a stream that is silent for longer is broken. */
const SILENCE_MS = 45_000;

export class SeatWatch {
  #seats: LiveSeats = { layout: "", unavailable: new Map() };
  #layout = "";
  /** Identifies `#seats.unavailable`: the id of the event, and the opaque part of the ETag. */
  #version: string | undefined;
  #refusedUntil = 0;

  constructor(
    readonly options: { api: Api<paths>; fetch: Fetch; showId: number; signal: AbortSignal },
  ) {}

  async *run(): AsyncGenerator<LiveSeats, void, undefined> {
    const { api, showId, signal } = this.options;
    const show = await api.GET("/api/shows/{id}", { params: { path: { id: showId } }, signal });
    const url = unwrap(show).seats_events_url;
    for (;;) {
      const stream = new AbortController();
      const response = url ? await this.#open(url, stream) : undefined;
      if (response?.ok) {
        if (yield* this.#listen(response, stream)) return;
      } else {
        stream.abort(); // an unread refusal would occupy its connection
        if (await this.#poll()) yield this.#seats;
      }
      // Random, because all clients lose their streams at once when the server restarts.
      const pause = PAUSE_MS * (0.5 + Math.random());
      await unlessAborted(new Promise((resolve) => setTimeout(resolve, pause)), signal);
    }
  }

  /** Return the response to a request for the stream, or undefined if none arrives. */
  async #open(url: string, stream: AbortController): Promise<Response | undefined> {
    if (Date.now() < this.#refusedUntil) return undefined;
    const headers = new Headers({ Accept: "text/event-stream" });
    if (this.#version !== undefined) headers.set("Last-Event-ID", this.#version);
    const signal = AbortSignal.any([this.options.signal, stream.signal]);
    const request = new Request(url, { headers, cache: "no-store", signal });
    const response = await inTime(this.options.fetch(request), stream).catch(() => undefined);
    const seconds = Number(response?.headers.get("Retry-After"));
    if (seconds > 0) this.#refusedUntil = Date.now() + seconds * 1000;
    return response;
  }

  /** Yield the seats after each change, until the connection ends; return whether the show is over. */
  async *#listen(
    response: Response,
    stream: AbortController,
  ): AsyncGenerator<LiveSeats, boolean, undefined> {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (;;) {
        const { done, value } = await inTime(reader.read(), stream);
        if (done) return false;
        const events = (text + value).split("\n\n");
        text = events.pop()!;
        for (const event of events) {
          if (event.startsWith("event: end\n")) return true;
          if (this.#apply(event)) yield this.#seats;
        }
      }
    } catch {
      return false; // the connection broke, or the caller aborted
    } finally {
      stream.abort();
    }
  }

  /** Return whether the seats have changed. */
  #apply(event: string): boolean {
    const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(event)?.[1];
    const name = field("event");
    if (name === "layout") this.#layout = JSON.parse(field("data")!);
    const id = field("id");
    if (id === undefined) return false;
    this.#version = id;
    if (name !== "map" && name !== "seats") return this.#replace(this.#seats.unavailable);
    const unavailable = new Map(name === "map" ? [] : this.#seats.unavailable);
    for (const seat of JSON.parse(field("data")!) as UnavailableSeat[]) {
      if (seat.state === "available") unavailable.delete(seat.id);
      else unavailable.set(seat.id, seat);
    }
    return this.#replace(unavailable);
  }

  /** Return whether the seats have changed. */
  async #poll(): Promise<boolean> {
    const { api, showId, signal } = this.options;
    const params = { path: { show_id: showId }, query: { fields: "status" as const } };
    const headers = this.#version === undefined ? {} : { "If-None-Match": `W/"${this.#version}"` };
    try {
      const result = await api.GET("/api/shows/{show_id}/seats", { params, headers, signal });
      const { status, headers: found } = result.response;
      this.#layout = found.get("Layout-Fingerprint") ?? this.#layout;
      if (status === 304) return this.#replace(this.#seats.unavailable);
      const unavailable = new Map(unwrap(result).map((seat) => [seat.id, seat]));
      this.#version = /"(.*)"/.exec(found.get("ETag") ?? "")?.[1];
      return this.#replace(unavailable);
    } catch (error) {
      if (isTemporary(error)) return false;
      throw error;
    }
  }

  /** Return whether this changes the seats. */
  #replace(unavailable: LiveSeats["unavailable"]): boolean {
    const before = this.#seats;
    if (before.unavailable === unavailable && before.layout === this.#layout) return false;
    this.#seats = { layout: this.#layout, unavailable };
    return true;
  }
}

/** Return the result of the promise, which fails if the stream is silent for too long. */
async function inTime<T>(promise: Promise<T>, stream: AbortController): Promise<T> {
  const timer = setTimeout(() => stream.abort(), SILENCE_MS);
  return promise.finally(() => clearTimeout(timer));
}

function isTemporary(error: unknown): boolean {
  if (error instanceof NoResponseError) return true;
  const status = error instanceof ProblemError ? error.problem.status : 0;
  return status >= 500 || status === 429;
}
