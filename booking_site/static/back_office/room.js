// The seat map as checkboxes: shows the selection, and selects rows, ranges and areas.
// Without this script seats are selected one by one.

const form = document.getElementById("room-form");
const selectionStatus = document.getElementById("room-selection");

if (form && selectionStatus) {
  const hint = selectionStatus.textContent;
  const seats = [...form.querySelectorAll('input[name="seat"]')];
  const rows = [...form.querySelectorAll(".room-row")];
  const reason = form.elements.reason;
  const setTabStop = addArrowKeys(form, seats);
  let last = null;

  const updateSelection = () => {
    const chosen = seats.filter((seat) => seat.checked).map((seat) => seat.dataset.seat);
    const named = chosen.slice(0, 10).join(", ") + (chosen.length > 10 ? " …" : "");
    selectionStatus.textContent = chosen.length
      ? `${chosen.length} ${chosen.length === 1 ? "seat" : "seats"}: ${named}`
      : hint;
    for (const button of form.querySelectorAll('button[name="action"]')) {
      button.disabled = chosen.length === 0;
    }
  };

  addAreaSelection(form, seats, updateSelection);

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
      updateSelection();
    });
    label.replaceWith(button);
  }

  form.addEventListener("click", (event) => {
    const seat = event.target;
    if (seat.name !== "seat") return;
    if (event.shiftKey && last) selectBetween(last, seat, seat.checked);
    last = seat;
    setTabStop(seat);
    updateSelection();
  });

  form.addEventListener("keydown", (event) => {
    if (event.target === reason && event.key === "Enter") {
      // Otherwise Enter would press the first button of the form.
      event.preventDefault();
      form.querySelector('button[value="block"]').click();
    }
  });

  form.addEventListener("reset", () => setTimeout(updateSelection));
  updateSelection();
}
