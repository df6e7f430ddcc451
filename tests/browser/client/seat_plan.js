// A seat plan for keyboards and screen readers: a grid with one tab stop. It draws the layout, takes
// the prices from the seat map, and then listens for the seats that cannot be booked. Without a
// stream it polls for them.

const query = new URLSearchParams(location.search);
const at = (id) => document.getElementById(id);
const path = `/api/shows/${query.get("show")}`;
const SYMBOLS = { wheelchair: "♿", companion: "C", premium: "P" };
const POLL_SECONDS = 1;
// While the stream is open: a connection can break without the browser noticing.
const CHECK_SECONDS = 30;
const KINDS = { wheelchair: "wheelchair bay", companion: "companion seat" };

let show; // from the API, as are the next two
let layout;
let unavailable = new Map(); // the state of each seat that cannot be booked, by id; replaced only
let stream;
let lastPoll = 0;
let seats = new Map(); // of the layout, by id, each with its price and its element
const selected = new Set(); // ids

const call = async (address, options = {}) => {
  const answer = await fetch(query.get("api") + address, {
    ...options,
    headers: { Authorization: `Bearer ${query.get("token")}`, ...options.headers },
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.message);
  return { data, fingerprint: answer.headers.get("Layout-Fingerprint") };
};

const announce = (text) => {
  at("message").textContent = text;
};

const make = (role, attributes) => {
  const element = document.createElement("div");
  element.setAttribute("role", role);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
};

const nameOf = (seat) => `Row ${seat.row}, seat ${seat.number}`;

const placeOf = ({ aisle_left: left, aisle_right: right }) =>
  left <= right ? `${left} from the left aisle` : `${right} from the right aisle`;

const namesOf = (ids) => ids.map((id) => nameOf(seats.get(id))).join(" and ");

const describe = (seat) =>
  [
    nameOf(seat),
    KINDS[seat.category] ?? seat.category,
    `${seat.price} ${show.currency}`,
    placeOf(seat),
    seat.bay_ids.length && `beside ${namesOf(seat.bay_ids)}`,
    seat.companion_ids.length && `with ${namesOf(seat.companion_ids)}`,
    unavailable.has(seat.id) ? "not available" : "available",
  ]
    .filter(Boolean)
    .join(", ");

const paint = (seat) => {
  const isTaken = unavailable.has(seat.id);
  const isSelected = selected.has(seat.id);
  const symbol = SYMBOLS[seat.category] ?? seat.number;
  seat.element.textContent = isTaken ? "×" : isSelected ? "✓" : symbol;
  seat.element.setAttribute("aria-label", describe(seat));
  seat.element.setAttribute("aria-disabled", isTaken);
  seat.element.setAttribute("aria-selected", isSelected);
};

const paintSelection = () => {
  const chosen = layout.seats.map(({ id }) => seats.get(id)).filter(({ id }) => selected.has(id));
  at("selected").replaceChildren(
    ...chosen.map((seat) => {
      const item = document.createElement("li");
      item.textContent = `${nameOf(seat)}, ${seat.price} ${show.currency}`;
      return item;
    }),
  );
};

const focusOn = (seat) => {
  at("grid").querySelector('[tabindex="0"]')?.setAttribute("tabindex", -1);
  seat.element.setAttribute("tabindex", 0);
  seat.element.focus();
};

const toggle = (seat) => {
  if (unavailable.has(seat.id)) {
    announce(`${nameOf(seat)} is not available.`);
    return;
  }
  if (!selected.delete(seat.id)) selected.add(seat.id);
  paint(seat);
  paintSelection();
  const verb = selected.has(seat.id) ? "selected" : "removed";
  announce(`${nameOf(seat)} ${verb}. Seats selected: ${selected.size}.`);
};

const rowOf = (seat) => layout.seats.filter(({ row }) => row === seat.row);

// The nearest seat of the row in front or behind.
const across = (seat, step) => {
  const rows = layout.rows.map(({ row }) => row);
  const row = rows[rows.indexOf(seat.row) + step];
  const distance = (other) => Math.abs(other.x - seat.x);
  return layout.seats.filter((other) => other.row === row).sort((a, b) => distance(a) - distance(b))[0];
};

const along = (seat, step) => {
  const row = rowOf(seat);
  return row[row.indexOf(seat) + step]; // also over an aisle
};

const MOVES = {
  ArrowLeft: (seat) => along(seat, -1),
  ArrowRight: (seat) => along(seat, 1),
  ArrowUp: (seat) => across(seat, -1),
  ArrowDown: (seat) => across(seat, 1),
  Home: (seat) => rowOf(seat)[0],
  End: (seat) => rowOf(seat).at(-1),
};

const press = (event) => {
  const seat = seats.get(Number(event.target.dataset.id));
  if (!seat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === " " || event.key === "Enter") toggle(seat);
  else if (MOVES[event.key]) focusOn(MOVES[event.key](seat) ?? seat);
  else return;
  event.preventDefault();
};

const draw = () => {
  const headings = layout.sections.map(({ name, y }) => {
    const heading = document.createElement("div");
    heading.className = "section";
    heading.ariaHidden = "true"; // the names of the rows contain it
    heading.textContent = name;
    heading.style.gridRow = Math.max(y, 1);
    return heading;
  });
  const lines = layout.rows.map(({ row, label, y }) => {
    const line = make("row", {});
    line.style.gridRow = y + 1;
    const header = make("rowheader", { "aria-label": `Row ${row}` });
    header.textContent = label;
    line.append(header, ...layout.seats.filter((seat) => seat.row === row).map(({ element }) => element));
    return line;
  });
  at("room").style.setProperty("--width", layout.width);
  at("grid").replaceChildren(...headings, ...lines);
};

const load = async () => {
  show = (await call(path)).data;
  const [plan, map] = await Promise.all([
    call(`${path}/layout?v=${show.layout_fingerprint}`),
    call(`${path}/seats`),
  ]);
  layout = plan.data;
  const prices = new Map(map.data.map(({ id, price }) => [id, price]));
  for (const seat of layout.seats) {
    seat.price = prices.get(seat.id);
    seat.element = make("gridcell", { "data-id": seat.id, tabindex: -1 });
    seat.element.style.gridColumn = seat.x + 2;
    seat.element.addEventListener("click", () => {
      focusOn(seat);
      toggle(seat);
    });
  }
  seats = new Map(layout.seats.map((seat) => [seat.id, seat]));
  unavailable = new Map(map.data.filter(({ status }) => status === "booked").map(({ id, state }) => [id, state]));
  [...selected].filter((id) => !seats.has(id) || unavailable.has(id)).forEach((id) => selected.delete(id));
  layout.seats.forEach(paint);
  paintSelection();
  const { x, y } = layout.focal_point;
  const distance = (seat) => Math.hypot(seat.x - x, seat.y - y);
  const best = [...layout.seats].sort((a, b) => distance(a) - distance(b))[0];
  const before = document.activeElement.dataset.id; // drawing takes the focus away
  draw();
  if (before && best) focusOn(seats.get(Number(before)) ?? best);
  else best?.element.setAttribute("tabindex", 0);
};

const update = (states) => {
  const before = unavailable;
  unavailable = states;
  const lost = [...selected].filter((id) => unavailable.has(id));
  lost.forEach((id) => selected.delete(id));
  layout.seats.filter(({ id }) => before.has(id) !== unavailable.has(id)).forEach(paint);
  if (!lost.length) return; // the names of the seats change, and nothing is announced
  paintSelection();
  announce(`No longer available: ${namesOf(lost)}.`);
};

const poll = async () => {
  const before = unavailable;
  const { data, fingerprint } = await call(`${path}/seats?fields=status`);
  lastPoll = Date.now();
  if (fingerprint !== layout.fingerprint) {
    await load();
    announce(`The seats of this show have changed. Seats selected: ${selected.size}.`);
  } else if (unavailable === before) {
    update(new Map(data.map(({ id, state }) => [id, state])));
  } // else an event came in the meantime, and may be newer
};

// The stream reports the seats as anybody sees them. This customer holds none.
const listen = () => {
  // Browsers reconnect by themselves, except after a status other than 200, such as a proxy's 502
  // while the live process restarts.
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource(show.seats_events_url);
  stream.addEventListener("end", () => {
    stream.close();
    show.seats_events_url = null; // the show is over, so another stream would end as well
  });
  stream.addEventListener("layout", ({ data }) => {
    if (JSON.parse(data) !== layout.fingerprint) attempt(poll)();
  });
  const statesOf = ({ data }) => JSON.parse(data).map(({ id, state }) => [id, state]);
  stream.addEventListener("map", (event) => update(new Map(statesOf(event))));
  stream.addEventListener("seats", (event) => {
    const states = [...unavailable, ...statesOf(event)];
    update(new Map([...new Map(states)].filter(([, state]) => state !== "available")));
  });
};

const refresh = async () => {
  if (document.hidden) return;
  if (show.seats_events_url) listen();
  const isLive = stream?.readyState === EventSource.OPEN;
  if (!isLive || Date.now() - lastPoll > CHECK_SECONDS * 1000) await poll();
};

const book = async () => {
  if (!selected.size) throw new Error("Select a seat first.");
  const wanted = [...selected];
  selected.clear(); // the event of this booking may come before the response
  try {
    const { data } = await call("/api/bookings", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify({ show_id: show.id, seat_ids: wanted }),
    });
    await poll();
    announce(`${data.message} ${data.order.reference}`);
  } catch (error) {
    wanted.filter((id) => !unavailable.has(id)).forEach((id) => selected.add(id));
    throw error;
  } finally {
    paintSelection();
  }
};

const attempt = (work) => () => work().catch((error) => announce(error.message));

at("grid").addEventListener("keydown", press);
at("book").addEventListener("click", attempt(book));
await load();
const refreshRegularly = async () => {
  await attempt(refresh)();
  setTimeout(refreshRegularly, POLL_SECONDS * 1000);
};
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream?.close();
  else attempt(refresh)();
});
refreshRegularly();
