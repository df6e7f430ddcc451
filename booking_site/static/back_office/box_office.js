// The box office: the room kept as it is now, the choice told with its price, one sale per
// form. Without this script every page works as plain forms.

const POLL_SECONDS = 3;
const PAUSE_SECONDS = 1.5;

const form = document.getElementById("counter-form");

if (form) {
  const seats = [...form.querySelectorAll('input[name="seat"]')];
  const byId = new Map(seats.map((seat) => [seat.value, seat]));
  const choice = document.getElementById("counter-choice");
  const total = document.getElementById("counter-total");
  const act = document.getElementById("counter-act");
  const said = document.getElementById("counter-said");
  const freeSeats = document.getElementById("free-seats");
  const hint = choice.textContent;
  const rove = walkRoom(form, seats);
  let tag = null;

  const cents = (price) => Math.round(Number(price) * 100);
  const money = (amount) => `${(amount / 100).toFixed(2)} ${form.dataset.currency}`;
  const chosen = () => seats.filter((seat) => seat.checked);

  const say = (...sentences) => {
    said?.replaceChildren(
      ...sentences.map((sentence) => {
        const line = document.createElement("p");
        line.className = "office-error";
        line.textContent = sentence;
        return line;
      }),
    );
  };

  const tell = () => {
    const now = chosen();
    const sum = now.reduce((so_far, seat) => so_far + cents(seat.dataset.price), 0);
    const names = now.map((seat) => seat.dataset.seat).join(", ");
    choice.textContent = now.length ? names : hint;
    act.disabled = now.length === 0;
    if (form.dataset.paid && now.length) {
      const more = sum - cents(form.dataset.paid);
      choice.textContent = more
        ? `${names}, worth ${money(Math.abs(more))} ${more > 0 ? "more" : "less"}`
        : `${names}, of the same price`;
    } else {
      total.textContent = now.length ? money(sum) : "";
    }
  };

  const choose = (ids) => {
    const wanted = new Set(ids.map(String));
    for (const seat of seats) seat.checked = wanted.has(seat.value) && !seat.disabled;
    const [first] = chosen();
    if (first) {
      rove(first);
      first.focus();
      first.scrollIntoView({ block: "nearest", inline: "center" });
    }
    tell();
  };

  const become = (seat, state) => {
    const cell = seat.parentElement;
    cell.classList.remove("available", "held", "booked", "blocked");
    cell.classList.add(state);
    seat.disabled = state !== "available";
    const label = seat.getAttribute("aria-label");
    seat.setAttribute("aria-label", label.replace(/\w+$/, state));
  };

  const update = (taken) => {
    const lost = [];
    for (const seat of seats) {
      const state = taken[seat.value] ?? "available";
      if (seat.parentElement.classList.contains(state)) continue;
      if (seat.checked && state !== "available") {
        seat.checked = false;
        lost.push(seat.dataset.seat);
      }
      become(seat, state);
    }
    if (freeSeats) freeSeats.textContent = seats.length - Object.keys(taken).length;
    tell();
    if (lost.length) {
      say(`Just taken: ${lost.join(", ")}. The rest of the choice is kept.`);
      // A click that is under way was meant for the whole party, not for what is left of it.
      act.disabled = true;
      setTimeout(tell, PAUSE_SECONDS * 1000);
    }
  };

  const look = async () => {
    const answer = await fetch(form.dataset.seats, { headers: tag ? { "If-None-Match": tag } : {} });
    if (answer.status !== 200) return;
    tag = answer.headers.get("ETag");
    update((await answer.json()).taken);
  };

  const keepLooking = async () => {
    // A page that nobody sees asks nothing; a network that is gone is asked again.
    if (!document.hidden) await look().catch(() => {});
    setTimeout(keepLooking, POLL_SECONDS * 1000);
  };

  document.getElementById("best-form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wish = new URLSearchParams(new FormData(event.target, event.submitter));
    // Without a network, or logged out by now, the choice so far is left as it is.
    const answer = await fetch(`${form.dataset.seats}?${wish}`).catch(() => null);
    const found = await answer?.json().catch(() => null);
    if (!found) return say("The site did not answer. Look whether you are online and logged in.");
    say(...(found.message ? [found.message] : []));
    choose(found.best ?? []);
  });

  form.addEventListener("change", (event) => {
    if (event.target.name === "seat") {
      rove(event.target);
      tell();
    }
  });

  form.addEventListener("keydown", (event) => {
    if (event.target.name === "seat" && event.key === "Enter") {
      event.preventDefault();
      if (!act.disabled) form.requestSubmit(act);
    }
  });

  form.addEventListener("submit", () => {
    act.disabled = true;
  });
  form.addEventListener("reset", () => setTimeout(() => choose([])));
  tell();
  keepLooking();
}

// Whoever comes back to a page that has sold or cancelled gets a new form.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// The second of two clicks would tell only that nothing is left to cancel.
document.getElementById("cancel-form")?.addEventListener("submit", (event) => {
  event.submitter.disabled = true;
});

const everything = document.querySelector("[data-check-all]");

if (everything) {
  everything.hidden = false;
  everything.addEventListener("click", () => {
    for (const box of document.querySelectorAll('#cancel-form input[name="booking"]')) {
      box.checked = true;
    }
  });
}
