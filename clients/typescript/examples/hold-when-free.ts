/** Waits until one of some seats can be booked, and holds it. */

import { unwrap, type Client, type components } from "movie-booking-client";

export async function holdWhenFree(
  cinema: Client,
  showId: number,
  seatIds: number[],
): Promise<components["schemas"]["Hold"]> {
  for await (const { unavailable } of cinema.watchSeats(showId)) {
    const free = seatIds.find((id) => !unavailable.has(id));
    if (free === undefined) continue;
    const hold = await cinema.api.POST("/api/holds", {
      body: { show_id: showId, seat_ids: [free] },
    });
    if (hold.response.status !== 409) return unwrap(hold); // 409: somebody else was faster
  }
  throw new Error("The show is over.");
}
