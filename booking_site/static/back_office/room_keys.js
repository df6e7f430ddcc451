// Arrow keys in a room of seats that are inputs. For the Tab key the room is one stop,
// however many seats there are; the function that is returned says which seat it stops at.

function walkRoom(form, seats) {
  const rows = [...form.querySelectorAll(".room-row")];

  const place = (seat) => {
    const cell = seat.parentElement;
    return [...cell.parentElement.children].indexOf(cell);
  };

  // The nearest seat in the row that lies `step` rows away, or beyond.
  const vertically = (seat, step) => {
    const column = place(seat);
    let row = rows.indexOf(seat.closest(".room-row")) + step;
    for (; rows[row]; row += step) {
      const there = [...rows[row].querySelectorAll("input:not(:disabled)")];
      there.sort((a, b) => Math.abs(place(a) - column) - Math.abs(place(b) - column));
      if (there.length) return there[0];
    }
    return null;
  };

  const sideways = (seat, step) => {
    const there = [...seat.closest(".room-row").querySelectorAll("input:not(:disabled)")];
    return there[there.indexOf(seat) + step] ?? null;
  };

  const moves = {
    ArrowLeft: (seat) => sideways(seat, -1),
    ArrowRight: (seat) => sideways(seat, 1),
    ArrowUp: (seat) => vertically(seat, -1),
    ArrowDown: (seat) => vertically(seat, 1),
  };

  const rove = (seat) => {
    for (const other of seats) other.tabIndex = other === seat ? 0 : -1;
  };

  form.addEventListener("keydown", (event) => {
    if (event.target.name !== "seat" || !moves[event.key]) return;
    event.preventDefault();
    const next = moves[event.key](event.target);
    if (next) {
      rove(next);
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });

  rove(seats.find((seat) => !seat.disabled));
  return rove;
}
