// The preview of a layout as a grid that the user paints by pointer or keyboard. It does not know
// the text: it draws the given rows and reports which area to paint.

class LayoutGrid {
  #rows = []; // the elements of each row and what they display
  #width = 0;
  #anchor = { y: 0, x: 0 }; // the corner where the selection starts
  #cursor = { y: 0, x: 0 };
  #selected = new Set();
  #revealing = false;
  #stroke = null;

  // Callbacks: `paint(area)` for every step of a stroke, then `settle()`, or `cancel()` if the
  // stroke is aborted; `press(key)` for keys that do not move the cursor, returning whether the
  // key was handled; `moved()` after the cursor has moved.
  constructor(element, { paint, settle, cancel, press, moved }) {
    this.element = element;
    Object.assign(this, { paint, settle, cancel, press, moved });
    element.addEventListener("pointerdown", (event) => this.#start(event));
    element.addEventListener("pointermove", (event) => this.#draw(event));
    element.addEventListener("pointerup", () => this.#end(this.settle));
    element.addEventListener("pointercancel", () => this.#end(this.cancel));
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focusin", ({ target }) => this.#follow(target));
  }

  get cursor() {
    return this.#cursor;
  }

  get size() {
    return { height: this.#rows.length, width: this.#width };
  }

  get area() {
    const [a, b] = [this.#anchor, this.#cursor];
    return {
      top: Math.min(a.y, b.y), bottom: Math.max(a.y, b.y),
      left: Math.min(a.x, b.x), right: Math.max(a.x, b.x),
    };
  }

  get disabled() {
    return this.element.getAttribute("aria-disabled") === "true";
  }

  // Draw rows as layoutText.read returns them, updating only what has changed.
  show(rows) {
    const width = Math.max(0, ...rows.map((row) => row.cells.length));
    const inside = () => this.element.contains(document.activeElement);
    const focused = inside();
    if (width !== this.#width) this.#clear();
    this.#width = width;
    while (this.#rows.length > rows.length) this.#rows.pop().element.remove();
    rows.forEach((row, y) => {
      this.#rows[y] ??= this.#addRow(y);
      this.#showRow(this.#rows[y], row);
    });
    this.element.setAttribute("aria-rowcount", rows.length);
    this.element.setAttribute("aria-colcount", width);
    this.#move(this.#cursor, { anchor: this.#anchor, focus: focused && !inside() });
  }

  #clear() {
    this.#rows = [];
    this.element.replaceChildren();
  }

  #addRow(y) {
    const make = (tag, className, role) => {
      const made = document.createElement(tag);
      made.className = className;
      if (role) made.setAttribute("role", role);
      return made;
    };
    const element = make("div", "room-row", "row");
    const header = make("span", "room-label", "rowheader");
    const cells = Array.from({ length: this.#width }, (_, x) => {
      const cell = make("span", "layout-cell", "gridcell");
      Object.assign(cell.dataset, { y, x });
      cell.tabIndex = -1;
      cell.append(document.createElement("b"));
      return cell;
    });
    header.dataset.y = y;
    element.append(header, ...cells);
    this.element.append(element);
    return { element, header, cells, kinds: [], shown: null };
  }

  #showRow(drawn, { section, label, name: rowName, numbers, cells }) {
    const text = cells.padEnd(this.#width, ".");
    const shown = JSON.stringify([section, rowName, numbers, text]);
    if (drawn.shown === shown) return;
    drawn.shown = shown;
    const isHeading = section !== undefined;
    drawn.element.classList.toggle("layout-section", isHeading);
    drawn.header.textContent = section ?? (label || "·");
    drawn.header.ariaLabel = isHeading
      ? `Section ${section}`
      : label ? `Row ${rowName}` : "Cross aisle";
    let seats = 0;
    drawn.cells.forEach((cell, x) => {
      const kind = layoutText.KINDS[text[x]];
      const seat = text[x] === "." ? "" : `${numbers[seats++]}`;
      const name = seat ? layoutText.seatName(rowName, seat) : `${drawn.header.ariaLabel}, column ${x + 1}`;
      const description = `${name}, ${kind}`;
      if (drawn.kinds[x] === description) return;
      drawn.kinds[x] = description;
      cell.ariaLabel = description;
      cell.dataset.kind = kind;
      cell.firstChild.className = seat ? `seat ${kind}` : "layout-empty";
      cell.firstChild.textContent = seat;
    });
  }

  #cellAt({ y, x }) {
    return this.#rows[y]?.cells[x];
  }

  // Move the cursor, within the grid, and select from the anchor to it.
  #move(to, { anchor = to, focus = false } = {}) {
    const within = ({ y, x }) => ({
      y: Math.max(0, Math.min(y, this.#rows.length - 1)),
      x: Math.max(0, Math.min(x, this.#width - 1)),
    });
    const before = this.#cellAt(this.#cursor);
    if (before) before.tabIndex = -1;
    [this.#cursor, this.#anchor] = [within(to), within(anchor)];
    this.#select();
    const cell = this.#cellAt(this.#cursor);
    if (cell) {
      cell.tabIndex = 0;
      if (focus) {
        cell.focus({ preventScroll: true });
        this.#reveal();
      }
    }
    this.moved();
  }

  // The focus was moved by something else, such as a screen reader.
  #follow(cell) {
    if (cell === this.#cellAt(this.#cursor)) return;
    this.#move({ y: +cell.dataset.y, x: +cell.dataset.x });
  }

  #select() {
    const { top, bottom, left, right } = this.area;
    const rows = this.#rows.slice(top, bottom + 1);
    const selected = new Set(rows.flatMap(({ cells }) => cells.slice(left, right + 1)));
    for (const cell of this.#selected) if (!selected.has(cell)) cell.ariaSelected = "false";
    for (const cell of selected) if (!this.#selected.has(cell)) cell.ariaSelected = "true";
    this.#selected = selected;
  }

  // Wait for the next frame, which computes the page's layout anyway.
  #reveal() {
    if (this.#revealing) return;
    this.#revealing = true;
    requestAnimationFrame(() => {
      this.#revealing = false;
      this.#cellAt(this.#cursor)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  }

  #start(event) {
    if (event.button !== 0 || this.disabled) return;
    const header = event.target.closest(".room-label");
    if (header) {
      event.preventDefault();
      const y = +header.dataset.y;
      this.#move({ y, x: this.#width - 1 }, { anchor: { y, x: 0 }, focus: true });
      return;
    }
    const cell = event.target.closest(".layout-cell");
    if (!cell) return;
    event.preventDefault(); // or dragging would select text
    this.element.setPointerCapture(event.pointerId);
    const here = { y: +cell.dataset.y, x: +cell.dataset.x };
    this.#stroke = event.shiftKey ? this.#anchor : here;
    this.#move(here, { anchor: this.#stroke, focus: true });
    this.paint(this.area);
  }

  #draw(event) {
    if (!this.#stroke) return;
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const cell = under?.closest(".layout-cell");
    if (!cell || !this.element.contains(cell)) return;
    const here = { y: +cell.dataset.y, x: +cell.dataset.x };
    if (here.y === this.#cursor.y && here.x === this.#cursor.x) return;
    this.#move(here, { anchor: this.#stroke });
    this.#reveal();
    this.paint(this.area);
  }

  #end(how) {
    if (!this.#stroke) return;
    this.#stroke = null;
    this.#move(this.#cursor, { anchor: this.#anchor, focus: true });
    how();
  }

  #key(event) {
    if (this.#rows.length === 0 || this.#stroke) return;
    const { y, x } = this.#cursor;
    const [lastRow, lastColumn] = [this.#rows.length - 1, this.#width - 1];
    const all = event.ctrlKey || event.metaKey;
    const moves = {
      ArrowUp: { y: y - 1, x },
      ArrowDown: { y: y + 1, x },
      ArrowLeft: { y, x: x - 1 },
      ArrowRight: { y, x: x + 1 },
      Home: { y: all ? 0 : y, x: 0 },
      End: { y: all ? lastRow : y, x: lastColumn },
    };
    if (moves[event.key]) {
      this.#move(moves[event.key], { anchor: event.shiftKey ? this.#anchor : undefined, focus: true });
    } else if (event.key === " " && event.shiftKey) {
      this.#move({ y, x: lastColumn }, { anchor: { y, x: 0 }, focus: true });
    } else if (event.key === " " && all) {
      this.#move({ y: lastRow, x }, { anchor: { y: 0, x }, focus: true });
    } else if (event.key.toLowerCase() === "a" && all) {
      this.#move({ y: lastRow, x: lastColumn }, { anchor: { y: 0, x: 0 }, focus: true });
    } else if (event.key === "Escape") {
      this.#move(this.#cursor);
    } else if (all || event.altKey || !this.press(event.key)) {
      return;
    }
    event.preventDefault();
  }
}
