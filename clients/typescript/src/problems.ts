/** Problem documents (RFC 9457), typed by their `code`, and responses that never arrived. */

import type { components } from "./schema.js";

type Schemas = components["schemas"];

type Documented<Schema> = Schema extends { code: infer Code extends string; request_id: string }
  ? string extends Code
    ? never
    : Schema
  : never;

/** The problems that the schema documents: a union that `code` discriminates. */
export type KnownProblem = { [Name in keyof Schemas]: Documented<Schemas[Name]> }[keyof Schemas];

/** TypeScript never equates an enum with a literal, so known codes still discriminate the union. */
declare enum Unknown {
  Code = "",
}

/** A code that is newer than these types. */
export type UnknownCode = Unknown;

/** Any other problem. Clients handle it by its `status`. */
export type UnknownProblem = Omit<Schemas["Problem"], "code"> & { code: UnknownCode };

export type Problem = KnownProblem | UnknownProblem;

/** The API refused a call. `problem.message` is a sentence to show to the customer. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly problem: Problem,
    readonly response: Response,
  ) {
    super(problem.message);
  }
}

/** No response arrived, or only a part of one. `cause` is the error of `fetch`. */
export class NoResponseError extends Error {
  override readonly name = "NoResponseError";

  constructor(cause: unknown) {
    super("The server did not respond.", { cause });
  }
}

/** Return the data of a call, or throw its problem as a `ProblemError`. */
export function unwrap<Data>(result: {
  data?: Data;
  error?: unknown;
  response: Response;
}): Exclude<Data, undefined> {
  if (!result.response.ok) throw new ProblemError(asProblem(result), result.response);
  return result.data as Exclude<Data, undefined>;
}

/** Return the problem document; make one if a proxy responded instead of the API. */
function asProblem({ error, response }: { error?: unknown; response: Response }): Problem {
  if (typeof error === "object" && error !== null && "code" in error) return error as Problem;
  const message = `The server responded with status ${response.status}.`;
  return {
    type: "about:blank",
    title: response.statusText,
    status: response.status,
    detail: message,
    message,
    code: "unknown" as string as UnknownCode,
    request_id: response.headers.get("X-Request-ID") ?? "",
  };
}
