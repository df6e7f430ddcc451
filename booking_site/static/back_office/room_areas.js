// Selects many seats at once: by dragging a rectangle, with Shift and the arrow keys, or every
// other seat. Calls `updateSelection` after each change.

function addAreaSelection(form, seats, updateSelection) {
  const CLICK_TOLERANCE = 6; // in pixels: less movement than this is a click
  const floor = form.querySelector(".room-floor");
  const everyOtherButton = form.querySelector("#room-spread");
  const frame = document.createElement("div");
  frame.className = "room-frame";
  let drag = null; // while a pointer is down
  let keyRange = null; // while Shift and the arrow keys extend a selection

  const boxOf = (element) => {
    const [box, origin] = [element.getBoundingClientRect(), floor.getBoundingClientRect()];
    return {
      left: box.left - origin.left, right: box.right - origin.left,
      top: box.top - origin.top, bottom: box.bottom - origin.top,
    };
  };

  const around = (a, b) => ({
    left: Math.min(a.left, b.left), right: Math.max(a.right, b.right),
    top: Math.min(a.top, b.top), bottom: Math.max(a.bottom, b.bottom),
  });

  const pointOf = (event) => {
    const origin = floor.getBoundingClientRect();
    const [x, y] = [event.clientX - origin.left, event.clientY - origin.top];
    return { left: x, right: x, top: y, bottom: y };
  };

  // Record where the seats are and which are selected before the user draws an area.
  const survey = () =>
    seats.filter((seat) => !seat.disabled)
      .map((seat) => ({ seat, box: boxOf(seat.parentElement), before: seat.checked }));

  const select = (surveyed, area, checked) => {
    for (const { seat, box, before } of surveyed) {
      const isInside = box.left < area.right && box.right > area.left
        && box.top < area.bottom && box.bottom > area.top;
      seat.checked = isInside ? checked : before;
    }
    updateSelection();
  };

  const outline = ({ left, top, right, bottom }) => {
    Object.assign(frame.style, {
      left: `${left}px`, top: `${top}px`,
      width: `${right - left}px`, height: `${bottom - top}px`,
    });
    floor.append(frame);
  };

  floor.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.shiftKey || !event.isPrimary) return;
    const first = event.target.closest("label.seat")?.querySelector("input");
    drag = { from: pointOf(event), checked: !first?.checked, surveyed: null };
    keyRange = null;
  });

  floor.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const area = around(drag.from, pointOf(event));
    const moved = Math.max(area.right - area.left, area.bottom - area.top);
    if (!drag.surveyed && moved < CLICK_TOLERANCE) return;
    if (!drag.surveyed) {
      drag.surveyed = survey();
      // The final click then hits the floor, so that it does not toggle a seat.
      floor.setPointerCapture(event.pointerId);
    }
    outline(area);
    select(drag.surveyed, area, drag.checked);
  });

  const end = () => {
    frame.remove();
    drag = null;
  };

  floor.addEventListener("pointerup", end);

  floor.addEventListener("pointercancel", () => {
    for (const { seat, before } of drag?.surveyed ?? []) seat.checked = before;
    end();
    updateSelection();
  });

  // The handler in room_keys.js has already moved the focus when this one runs.
  document.addEventListener("keydown", ({ key, shiftKey, target }) => {
    if (key === "Shift") return;
    if (!shiftKey || !key.startsWith("Arrow") || target.name !== "seat") {
      keyRange = null;
      return;
    }
    keyRange ??= { from: boxOf(target.parentElement), surveyed: survey() };
    const to = boxOf(document.activeElement.parentElement);
    select(keyRange.surveyed, around(keyRange.from, to), true);
  });

  everyOtherButton.hidden = false;
  everyOtherButton.addEventListener("click", () => {
    const free = seats.filter((seat) => !seat.disabled);
    const chosen = free.filter((seat) => seat.checked);
    const among = new Set(chosen.length ? chosen : free);
    form.querySelectorAll(".room-row").forEach((row, y) => {
      [...row.children].forEach((cell, x) => {
        const seat = cell.querySelector("input");
        if (among.has(seat)) seat.checked = (x + y) % 2 === 0;
      });
    });
    updateSelection();
  });
}
