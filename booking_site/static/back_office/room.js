// A room of checkboxes: a running count, whole rows, ranges, areas, and arrow keys.
// Without this script the page works with a plain click on each seat.

const form = document.getElementById("room-form");
const said = document.getElementById("room-selection");

if (form && said) {
  const hint = said.textContent;
  const seats = [...form.querySelectorAll('input[name="seat"]')];
  const rows = [...form.querySelectorAll(".room-row")];
  const reason = form.elements.reason;
  const rove = walkRoom(form, seats);
  let last = null;

  const tell = () => {
    const chosen = seats.filter((seat) => seat.checked).map((seat) => seat.dataset.seat);
    const named = chosen.slice(0, 10).join(", ") + (chosen.length > 10 ? " …" : "");
    said.textContent = chosen.length
      ? `${chosen.length} ${chosen.length === 1 ? "seat" : "seats"}: ${named}`
      : hint;
    for (const button of form.querySelectorAll('button[name="action"]')) {
      button.disabled = chosen.length === 0;
    }
  };

  selectAreas(form, seats, tell);

  const selectBetween = (from, to, checked) => {
    const [first, second] = [seats.indexOf(from), seats.indexOf(to)].sort((a, b) => a - b);
    for (const seat of seats.slice(first, second + 1)) {
      if (!seat.disabled) seat.checked = checked;
    }
  };

  for (const row of rows) {
    const label = row.querySelector(".room-label");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "room-label";
    button.textContent = label.textContent;
    button.title = `Select row ${row.dataset.row}`;
    button.tabIndex = -1;
    button.addEventListener("click", () => {
      const free = [...row.querySelectorAll("input:not(:disabled)")];
      const on = !free.every((seat) => seat.checked);
      for (const seat of free) seat.checked = on;
      tell();
    });
    label.replaceWith(button);
  }

  form.addEventListener("click", (event) => {
    const seat = event.target;
    if (seat.name !== "seat") return;
    if (event.shiftKey && last) selectBetween(last, seat, seat.checked);
    last = seat;
    rove(seat);
    tell();
  });

  form.addEventListener("keydown", (event) => {
    if (event.target === reason && event.key === "Enter") {
      // Enter must not fall on whichever button comes first.
      event.preventDefault();
      form.querySelector('button[value="block"]').click();
    }
  });

  form.addEventListener("reset", () => setTimeout(tell));
  tell();
}
