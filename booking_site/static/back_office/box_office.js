// The box office: refreshes the seat map, shows the selection and its price, and submits each
// form only once. Without this script the pages work as plain forms.

const PAUSE_AFTER_LOSS_SECONDS = 1.5;

const form = document.getElementById("counter-form");

if (form) {
  const seats = [...form.querySelectorAll('input[name="seat"]')];
  const byId = new Map(seats.map((seat) => [seat.value, seat]));
  const selection = document.getElementById("counter-selection");
  const total = document.getElementById("counter-total");
  const submit = document.getElementById("counter-submit");
  const errors = document.getElementById("counter-errors");
  const freeSeats = document.getElementById("free-seats");
  const hint = selection.textContent;
  const setTabStop = addArrowKeys(form, seats);
  let pause = null; // the timer that ends it
  let isSubmitted = false;

  // Sums are integers, in units of the last decimal place of the prices.
  const prices = seats.map((seat) => seat.dataset.price).concat(form.dataset.paid ?? []);
  const places = Math.max(0, ...prices.map((price) => (price.split(".")[1] ?? "").length));
  const units = (price) => Math.round(Number(price) * 10 ** places);
  // Return the amount with the digits of its currency, or with two or more if it needs them.
  const money = (amount) => {
    const digits = [Number(form.dataset.digits), 2, places].find(
      (count) => count >= places || amount % 10 ** (places - count) === 0,
    );
    return `${(amount / 10 ** places).toFixed(digits)} ${form.dataset.currency}`;
  };
  const chosen = () => seats.filter((seat) => seat.checked);

  const showErrors = (...sentences) => {
    errors?.replaceChildren(
      ...sentences.map((sentence) => {
        const line = document.createElement("p");
        line.className = "office-error";
        line.textContent = sentence;
        return line;
      }),
    );
  };

  const updateSelection = () => {
    const now = chosen();
    const sum = now.reduce((sumSoFar, seat) => sumSoFar + units(seat.dataset.price), 0);
    const names = now.map((seat) => seat.dataset.seat).join(", ");
    selection.textContent = now.length ? names : hint;
    submit.disabled = now.length === 0 || pause !== null || isSubmitted;
    if (form.dataset.paid && now.length) {
      const more = sum - units(form.dataset.paid);
      selection.textContent = more
        ? `${names}: ${money(Math.abs(more))} ${more > 0 ? "more" : "less"} than the price paid`
        : `${names}: same price`;
    } else {
      total.textContent = now.length ? money(sum) : "";
    }
  };

  const select = (ids) => {
    const wanted = new Set(ids.map(String));
    for (const seat of seats) seat.checked = wanted.has(seat.value) && !seat.disabled;
    const [first] = chosen();
    if (first) {
      setTabStop(first);
      first.focus();
      first.scrollIntoView({ block: "nearest", inline: "center" });
    }
    updateSelection();
  };

  const setState = (seat, state) => {
    const cell = seat.parentElement;
    cell.classList.remove("available", "held", "booked", "blocked");
    cell.classList.add(state);
    seat.disabled = state !== "available";
    const label = seat.getAttribute("aria-label");
    seat.setAttribute("aria-label", label.replace(/\w+$/, state));
  };

  const pauseSelling = () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      pause = null;
      updateSelection();
    }, PAUSE_AFTER_LOSS_SECONDS * 1000);
  };

  // Seats of the same row first.
  const nearestFree = (seat) => {
    const row = seat.closest(".room-row");
    const distance = (other) =>
      Math.abs(seats.indexOf(other) - seats.indexOf(seat)) + (row.contains(other) ? 0 : seats.length);
    return seats.filter((other) => !other.disabled).sort((a, b) => distance(a) - distance(b))[0];
  };

  const update = (taken) => {
    if (isSubmitted) return; // else the clerk's own sale would be reported as somebody else's
    const lost = [];
    const focused = document.activeElement;
    for (const seat of seats) {
      const state = taken[seat.value] ?? "available";
      if (seat.parentElement.classList.contains(state)) continue;
      if (seat.checked && state !== "available") {
        seat.checked = false;
        lost.push(seat.dataset.seat);
      }
      setState(seat, state);
    }
    const tabStop = seats.find((seat) => seat.tabIndex === 0);
    if (!tabStop || tabStop.disabled) {
      const next = nearestFree(tabStop ?? seats[0]);
      setTabStop(next);
      if (focused === tabStop) next?.focus();
    }
    if (freeSeats) freeSeats.textContent = seats.length - Object.keys(taken).length;
    if (lost.length) {
      showErrors(`Just taken: ${lost.join(", ")}. The other seats are still selected.`);
      pauseSelling(); // a click that is already under way was meant for the whole party
      updateSelection();
    }
  };

  document.getElementById("best-form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = new URLSearchParams(new FormData(event.target, event.submitter));
    // Without a network, or after being logged out, leave the selection unchanged.
    const answer = await fetch(`${form.dataset.seats}?${query}`).catch(() => null);
    const found = await answer?.json().catch(() => null);
    if (!found) return showErrors("No response. Check that you are online and logged in.");
    showErrors(...(found.message ? [found.message] : []));
    select(found.best ?? []);
  });

  form.addEventListener("change", (event) => {
    if (event.target.name === "seat") {
      setTabStop(event.target);
      updateSelection();
    }
  });

  form.addEventListener("keydown", (event) => {
    if (event.target.name === "seat" && event.key === "Enter") {
      event.preventDefault();
      if (!submit.disabled) form.requestSubmit(submit);
    }
  });

  form.addEventListener("submit", () => {
    isSubmitted = true;
    submit.disabled = true;
  });
  form.addEventListener("reset", () => setTimeout(() => select([])));
  updateSelection();
  followSeats({
    pollUrl: form.dataset.seats,
    streamUrl: form.dataset.seatsEvents,
    show: update,
    replaced: () => showErrors("The seats or prices of this show have changed. Reload this page."),
  });
}

// Going back to a page that has already sold or cancelled reloads it, for a new form.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// A second click would only report that nothing is left to cancel.
document.getElementById("cancel-form")?.addEventListener("submit", (event) => {
  event.submitter.disabled = true;
});

const selectAll = document.querySelector("[data-check-all]");

if (selectAll) {
  selectAll.hidden = false;
  selectAll.addEventListener("click", () => {
    for (const box of document.querySelectorAll('#cancel-form input[name="booking"]')) {
      box.checked = true;
    }
  });
}
