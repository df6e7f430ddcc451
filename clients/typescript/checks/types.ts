/** Compiled, never run: a line after `@ts-expect-error` that compiles is an error itself. */

import { Client, type Problem } from "movie-booking-client";

declare const cinema: Client;

export function members(problem: Problem): unknown {
  // @ts-expect-error Only some problems have this member.
  problem.seat_ids;
  switch (problem.code) {
    case "seat_unavailable":
      return problem.seat_ids satisfies number[];
    case "single_seat_gap":
      return problem.alternatives satisfies number[][];
    case "no_seats_together":
      // @ts-expect-error This problem has another member.
      problem.seat_ids;
      return problem.largest_block satisfies number;
    // @ts-expect-error The API has no such code.
    case "seat_unavailabel":
      return undefined;
    default:
      return problem.message satisfies string; // known codes without members, and unknown ones
  }
}

export async function calls(): Promise<void> {
  for await (const movie of cinema.list("/api/movies", { params: { query: { search: "x" } } })) {
    movie.title satisfies string;
    // @ts-expect-error Movies have no such field.
    movie.name;
  }
  cinema.list("/api/movies/{movie_id}/shows", { params: { path: { movie_id: 1 } } });
  // @ts-expect-error The path needs an id.
  cinema.list("/api/movies/{movie_id}/shows");
  // @ts-expect-error The call has no such parameter.
  cinema.list("/api/movies", { params: { query: { serach: "x" } } });
  // @ts-expect-error This is not a list.
  cinema.list("/api/movies/{id}", { params: { path: { id: 1 } } });
  await cinema.buy({ show_id: 1, seat_id: 2 });
  // @ts-expect-error A purchase names seats or a hold.
  await cinema.buy({ show_id: 1 });
  for await (const { unavailable } of cinema.watchSeats(7)) {
    unavailable.get(41)?.state satisfies "available" | "held" | "booked" | "blocked" | undefined;
    // @ts-expect-error The map is read-only.
    unavailable.clear();
  }
}
