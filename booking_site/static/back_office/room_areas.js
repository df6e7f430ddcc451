// Many seats of a room at once: a rectangle dragged over it, Shift with the arrow keys, or
// every other seat. `tell` is called after each change of the selection.

function selectAreas(form, seats, tell) {
  const STILL = 6; // pixels that a click may wander
  const floor = form.querySelector(".room-floor");
  const spread = form.querySelector("#room-spread");
  const frame = document.createElement("div");
  frame.className = "room-frame";
  let drag = null; // a pointer is down
  let reach = null; // Shift is down, and the arrows have moved

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

  // Where the seats are, and which were selected, before an area is drawn.
  const survey = () =>
    seats.filter((seat) => !seat.disabled)
      .map((seat) => ({ seat, box: boxOf(seat.parentElement), before: seat.checked }));

  const select = (surveyed, area, checked) => {
    for (const { seat, box, before } of surveyed) {
      const within = box.left < area.right && box.right > area.left
        && box.top < area.bottom && box.bottom > area.top;
      seat.checked = within ? checked : before;
    }
    tell();
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
    reach = null;
  });

  floor.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const area = around(drag.from, pointOf(event));
    const moved = Math.max(area.right - area.left, area.bottom - area.top);
    if (!drag.surveyed && moved < STILL) return;
    if (!drag.surveyed) {
      drag.surveyed = survey();
      // The click at the end then means the floor, and turns no seat over again.
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
    tell();
  });

  // The room's own handler has moved the focus by the time the key arrives here.
  document.addEventListener("keydown", ({ key, shiftKey, target }) => {
    if (key === "Shift") return;
    if (!shiftKey || !key.startsWith("Arrow") || target.name !== "seat") {
      reach = null;
      return;
    }
    reach ??= { from: boxOf(target.parentElement), surveyed: survey() };
    const to = boxOf(document.activeElement.parentElement);
    select(reach.surveyed, around(reach.from, to), true);
  });

  spread.hidden = false;
  spread.addEventListener("click", () => {
    const free = seats.filter((seat) => !seat.disabled);
    const chosen = free.filter((seat) => seat.checked);
    const among = new Set(chosen.length ? chosen : free);
    form.querySelectorAll(".room-row").forEach((row, y) => {
      [...row.children].forEach((cell, x) => {
        const seat = cell.querySelector("input");
        if (among.has(seat)) seat.checked = (x + y) % 2 === 0;
      });
    });
    tell();
  });
}
