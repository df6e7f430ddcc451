// Draws the room while its layout is typed. The server has the last word
// (catalog/layouts.py); this says the same, sooner.

const CATEGORIES = { S: "standard", P: "premium", W: "wheelchair", C: "companion" };
const LABEL = /^([A-Z]{1,2}|[1-9][0-9]?)$/;

const element = (tag, className, text = "") => {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
};

class Flaw extends Error {
  constructor(message, line, column) {
    super(`Line ${line}, column ${column}: ${message}`);
    Object.assign(this, { line, column });
  }
}

const readRow = (line, y, limits) => {
  const flaw = (message, column) => new Flaw(message, y + 1, column);
  if (line.includes("\t")) throw flaw("Use blanks instead of a tab.", line.indexOf("\t") + 1);
  const [, indent, label, , cells] = line.match(/^( *)([^ ]*)( *)(.*)$/);
  if (!LABEL.test(label)) {
    const message =
      "Start the row with its label: one or two capital letters, or a number up to 99.";
    throw flaw(message, indent.length + 1);
  }
  const start = line.length - cells.length + 1;
  const wrong = [...cells].findIndex((cell) => cell !== "." && !(cell in CATEGORIES));
  if (wrong >= 0) {
    throw flaw(`“${[...cells][wrong]}” is no place. Use S, P, W, C or “.”.`, start + wrong);
  }
  if (cells.length > limits.seats) {
    throw flaw(`A row has at most ${limits.seats} places.`, start + limits.seats);
  }
  if (!/[^.]/.test(cells)) {
    throw flaw(`Row ${label} has no seat. For an aisle, leave the line blank.`, start);
  }
  return { label, y, cells, column: indent.length + 1 };
};

const read = (text, limits) => {
  const rows = new Map();
  const flaws = [];
  const lines = text.trimEnd().split("\n").map((line) => line.replace(/ +$/, ""));
  lines.slice(0, limits.rows).forEach((line, y) => {
    if (!line) return;
    try {
      const row = readRow(line, y, limits);
      const first = rows.get(row.label);
      if (first) {
        const message = `Row ${row.label} is already on line ${first.y + 1}.`;
        throw new Flaw(message, y + 1, row.column);
      }
      rows.set(row.label, row);
    } catch (error) {
      if (!(error instanceof Flaw)) throw error;
      flaws.push(error);
    }
  });
  if (lines.length > limits.rows) {
    flaws.push(new Flaw(`A room has at most ${limits.rows} rows.`, limits.rows + 1, 1));
  }
  return { rows: [...rows.values()], flaws };
};

const drawRow = (row, before, width) => {
  const drawn = element("div", "room-row");
  if (before && row.y > before.y + 1) drawn.classList.add("after-aisle");
  drawn.append(element("span", "room-label", row.label));
  let number = 0;
  for (const cell of row.cells.padEnd(width, ".")) {
    if (cell === ".") {
      drawn.append(element("i", "room-gap"));
    } else {
      const seat = element("span", `seat ${CATEGORIES[cell]}`);
      seat.append(element("b", "", `${++number}`));
      drawn.append(seat);
    }
  }
  drawn.append(element("span", "room-label", row.label));
  return drawn;
};

const drawRoom = (rows) => {
  const width = Math.max(...rows.map((row) => row.cells.replace(/\.+$/, "").length));
  const room = element("div", "room");
  const floor = element("div", "room-floor");
  const screen = element("div", "room-screen");
  screen.append(element("span", "", "Screen"));
  const trimmed = rows.map((row) => ({ ...row, cells: row.cells.slice(0, width) }));
  floor.append(screen, ...trimmed.map((row, i) => drawRow(row, trimmed[i - 1], width)));
  room.append(floor);
  return room;
};

const listFlaws = (flaws, goTo) => {
  const list = element("ul", "layout-flaws");
  for (const flaw of flaws) {
    const item = element("li", "", flaw.message);
    item.addEventListener("click", () => goTo(flaw));
    list.append(item);
  }
  return list;
};

// The same text behind the typed one, with the flawed lines and cells coloured.
const markFlaws = (text, flaws) => {
  const byLine = new Map(flaws.map((flaw) => [flaw.line, flaw]));
  return text.split("\n").flatMap((line, y) => {
    const flaw = byLine.get(y + 1);
    if (!flaw) return [line, "\n"];
    const at = flaw.column - 1;
    const marked = element("span", "line", line.slice(0, at));
    marked.append(element("mark", "", line.charAt(at) || " "), line.slice(at + 1));
    return [marked, "\n"];
  });
};

for (const editor of document.querySelectorAll(".layout-editor")) {
  const textarea = editor.querySelector("textarea");
  const marks = editor.querySelector(".layout-marks");
  const preview = editor.querySelector(".layout-preview");
  const limits = { rows: +editor.dataset.maxRows, seats: +editor.dataset.maxSeats };

  const goTo = ({ line, column }) => {
    const before = textarea.value.split("\n").slice(0, line - 1).join("\n");
    const at = before.length + (line > 1 ? 1 : 0) + column - 1;
    textarea.focus();
    textarea.setSelectionRange(at, at + 1);
  };

  const refresh = () => {
    const text = textarea.value;
    const { rows, flaws } = text.trim() ? read(text, limits) : { rows: [], flaws: [] };
    marks.replaceChildren(...markFlaws(text, flaws));
    const shown = [];
    if (flaws.length) shown.push(listFlaws(flaws, goTo));
    if (rows.length) {
      const seats = rows.reduce((sum, row) => sum + row.cells.replaceAll(".", "").length, 0);
      shown.push(element("p", "layout-count", `${seats} seats`), drawRoom(rows));
    }
    preview.replaceChildren(...shown);
  };

  textarea.addEventListener("input", refresh);
  textarea.addEventListener("scroll", () => {
    marks.scrollTop = textarea.scrollTop;
    marks.scrollLeft = textarea.scrollLeft;
  });
  refresh();
}
