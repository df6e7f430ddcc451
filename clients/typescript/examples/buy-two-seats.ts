/** Buys two seats for the first show that has them side by side. */

import { Client, ProblemError, unwrap, type Receipt } from "movie-booking-client";

export async function buyTwoSeats(
  baseUrl: string,
  credentials: { email: string; password: string },
): Promise<Receipt> {
  const cinema = new Client({
    baseUrl,
    onSessionEnd: () => console.error("Please log in again."),
  });
  await cinema.login(credentials);

  for await (const show of cinema.list("/api/shows")) {
    const hold = await cinema.api.POST("/api/holds", { body: { show_id: show.id, quantity: 2 } });
    if (hold.response.status === 409) continue; // sold out, or no two seats together
    try {
      return await cinema.buy({ hold_id: unwrap(hold).id });
    } catch (error) {
      if (!(error instanceof ProblemError && error.problem.code === "hold_expired")) throw error;
    }
  }
  throw new Error("No show has two seats together.");
}
