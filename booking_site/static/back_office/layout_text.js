// The text of a layout (catalog/layouts.py has the grammar and the last word): read it, and
// change it. Every change takes text and gives text; lines it does not mean stay as typed.

const layoutText = (() => {
  const KINDS = {
    S: "standard", P: "premium", W: "wheelchair", C: "companion", ".": "nothing",
  };
  const LABEL = /^([A-Z]{1,2}|[1-9][0-9]?)$/;

  class Flaw extends Error {
    constructor(message, line, column) {
      super(`Line ${line}, column ${column}: ${message}`);
      Object.assign(this, { line, column });
    }
  }

  const linesOf = (text) => {
    const lines = text.split("\n").map((line) => line.replace(/ +$/, ""));
    if (lines.at(-1) === "") lines.pop();
    return lines;
  };

  // A cross aisle has neither label nor cells.
  const rowOf = (line) => {
    const [, indent, label, blanks, cells] = line.match(/^( *)([^ ]*)( *)(.*)$/);
    return { label, cells, indent: indent.length, head: indent + label + blanks };
  };

  const seatless = (cells) => !/[^.]/.test(cells);

  const flawOf = (line, number, limits) => {
    const flaw = (message, column) => new Flaw(message, number, column);
    if (line.includes("\t")) return flaw("Use blanks instead of a tab.", line.indexOf("\t") + 1);
    const { label, cells, indent, head } = rowOf(line);
    if (!LABEL.test(label)) {
      const message =
        "Start the row with its label: one or two capital letters, or a number up to 99.";
      return flaw(message, indent + 1);
    }
    const places = [...cells];
    const wrong = places.findIndex((cell) => !(cell in KINDS));
    if (wrong >= 0) {
      const message = `“${places[wrong]}” is no place. Use S, P, W, C or “.”.`;
      return flaw(message, head.length + wrong + 1);
    }
    if (cells.length > limits.seats) {
      const message = `A row has at most ${limits.seats} places.`;
      return flaw(message, head.length + limits.seats + 1);
    }
    if (seatless(cells)) {
      return flaw(`Row ${label} has no seat. For an aisle, leave the line blank.`, indent + 1);
    }
    return null;
  };

  // Rows from front to back, cross aisles among them, and the first flaw of every line.
  const read = (text, limits) => {
    const lines = linesOf(text);
    const height = lines.findLastIndex((line) => line !== "") + 1;
    const firstLine = new Map();
    const flaws = [];
    lines.slice(0, Math.min(height, limits.rows)).forEach((line, y) => {
      if (!line) return;
      let flaw = flawOf(line, y + 1, limits);
      const { label, indent } = rowOf(line);
      if (!flaw && firstLine.has(label)) {
        flaw = new Flaw(
          `Row ${label} is already on line ${firstLine.get(label)}.`, y + 1, indent + 1,
        );
      } else if (!flaw) {
        firstLine.set(label, y + 1);
      }
      if (flaw) flaws.push(flaw);
    });
    if (height > limits.rows) {
      flaws.push(new Flaw(`A room has at most ${limits.rows} rows.`, limits.rows + 1, 1));
    }
    return { rows: lines.map(rowOf), flaws };
  };

  const following = (label) => {
    if (/\d/.test(label)) return label === "99" ? "A" : `${+label + 1}`;
    const [first, last] = [label.slice(0, -1), label.at(-1)];
    if (last !== "Z") return first + String.fromCharCode(last.charCodeAt(0) + 1);
    if (first === "Z") return "A";
    return (first ? following(first) : "A") + "A";
  };

  const freeAfter = (label, taken) => {
    let free = label ? following(label) : "A";
    while (taken.has(free)) free = following(free);
    return free;
  };

  // The label that a new row on line `y` gets: it goes on from the row in front of it.
  const newLabel = (rows, y) => {
    const before = rows.slice(0, y).findLast((row) => row.label);
    return freeAfter(before?.label, new Set(rows.map((row) => row.label)));
  };

  // Cells of all rows stay in line, as far as they were.
  const headFor = (label, rows) => {
    const width = Math.max(...rows.map((row) => row.head.length)) || label.length + 2;
    return label.padEnd(Math.max(width, label.length + 1));
  };

  const write = (rows) =>
    rows.map(({ head, cells }) => (seatless(cells) ? "" : head + cells) + "\n").join("");

  // Set every cell of the area. A row without a seat left becomes a cross aisle, and a cross
  // aisle with a seat in it a row.
  const paint = (text, { top, bottom, left, right }, kind) => {
    const rows = linesOf(text).map(rowOf);
    for (let y = top; y <= bottom; y++) {
      const row = rows[y];
      const painted = row.cells.padEnd(left, ".").slice(0, left)
        + kind.repeat(right - left + 1) + row.cells.slice(right + 1);
      const length = Math.max(row.cells.length, painted.replace(/\.+$/, "").length);
      row.cells = painted.slice(0, length);
      if (!row.label && !seatless(row.cells)) {
        row.label = newLabel(rows, y);
        row.head = headFor(row.label, rows);
      }
    }
    return write(rows);
  };

  // A new row at line `at`, with the places of the row on line `y`.
  const copyRow = (text, y, at) => {
    const rows = linesOf(text).map(rowOf);
    const copy = { ...rows[y] };
    if (copy.label) {
      copy.label = newLabel(rows, at);
      copy.head = headFor(copy.label, rows);
    }
    return write(rows.toSpliced(at, 0, copy));
  };

  const removeRow = (text, y) => write(linesOf(text).map(rowOf).toSpliced(y, 1));

  const eachRow = (text, change) =>
    write(linesOf(text).map(rowOf).map((row) => ({ ...row, cells: change(row.cells) })));

  // A new column at `at`, with the places of column `x`.
  const copyColumn = (text, x, at) =>
    eachRow(text, (cells) =>
      x < cells.length ? cells.slice(0, at) + cells[x] + cells.slice(at) : cells,
    );

  const removeColumn = (text, x) =>
    eachRow(text, (cells) => cells.slice(0, x) + cells.slice(x + 1));

  // Throw an Error fit for a person unless the label is one and free.
  const relabel = (text, y, label) => {
    const rows = linesOf(text).map(rowOf);
    if (!LABEL.test(label)) {
      throw new Error("A label is one or two capital letters, or a number up to 99.");
    }
    const other = rows.findIndex((row, line) => line !== y && row.label === label);
    if (other >= 0) throw new Error(`Row ${label} is already on line ${other + 1}.`);
    rows[y].head = label.padEnd(Math.max(rows[y].head.length, label.length + 1));
    return write(rows);
  };

  // The rows behind line `y` are labelled on from it, in order.
  const labelOn = (text, y) => {
    const rows = linesOf(text).map(rowOf);
    let label = rows[y].label;
    const taken = new Set(rows.slice(0, y).map((row) => row.label));
    for (const row of rows.slice(y + 1).filter((row) => row.label)) {
      label = freeAfter(label, taken);
      row.head = label.padEnd(Math.max(row.head.length, label.length + 1));
    }
    return write(rows);
  };

  return {
    KINDS, read, paint, copyRow, removeRow, copyColumn, removeColumn, relabel, labelOn,
  };
})();
