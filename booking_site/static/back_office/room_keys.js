// Arrow keys in a seat map of inputs. The Tab key stops once in the whole seat map; the returned
// function sets the seat at which it stops.

function addArrowKeys(form, seats) {
  const rows = [...form.querySelectorAll(".room-row")];

  const columnOf = (seat) => {
    const cell = seat.parentElement;
    return [...cell.parentElement.children].indexOf(cell);
  };

  // Return the nearest seat `step` rows away, or further if that row has none.
  const vertically = (seat, step) => {
    const column = columnOf(seat);
    let row = rows.indexOf(seat.closest(".room-row")) + step;
    for (; rows[row]; row += step) {
      const candidates = [...rows[row].querySelectorAll("input:not(:disabled)")];
      candidates.sort((a, b) => Math.abs(columnOf(a) - column) - Math.abs(columnOf(b) - column));
      if (candidates.length) return candidates[0];
    }
    return null;
  };

  const sideways = (seat, step) => {
    const candidates = [...seat.closest(".room-row").querySelectorAll("input:not(:disabled)")];
    return candidates[candidates.indexOf(seat) + step] ?? null;
  };

  const moves = {
    ArrowLeft: (seat) => sideways(seat, -1),
    ArrowRight: (seat) => sideways(seat, 1),
    ArrowUp: (seat) => vertically(seat, -1),
    ArrowDown: (seat) => vertically(seat, 1),
  };

  const setTabStop = (seat) => {
    for (const other of seats) other.tabIndex = other === seat ? 0 : -1;
  };

  form.addEventListener("keydown", (event) => {
    if (event.target.name !== "seat" || !moves[event.key]) return;
    event.preventDefault();
    const next = moves[event.key](event.target);
    if (next) {
      setTabStop(next);
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });

  setTabStop(seats.find((seat) => !seat.disabled));
  return setTabStop;
}
