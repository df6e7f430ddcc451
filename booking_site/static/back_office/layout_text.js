// Reads and edits the text of a layout. catalog/layouts.py defines the grammar and is authoritative.
// Every edit takes text and returns text; unaffected lines stay as typed.

const layoutText = (() => {
  const KINDS = {
    S: "standard", P: "premium", W: "wheelchair", C: "companion", ".": "empty",
  };
  const LABEL = /^([A-Z]{1,2}|[1-9][0-9]?)$/;

  class LayoutError extends Error {
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

  const hasNoSeats = (cells) => !/[^.]/.test(cells);

  const findError = (line, number, limits) => {
    const error = (message, column) => new LayoutError(message, number, column);
    if (line.includes("\t")) return error("Use spaces instead of tabs.", line.indexOf("\t") + 1);
    const { label, cells, indent, head } = rowOf(line);
    if (!LABEL.test(label)) {
      const message =
        "Start the row with its label: one or two capital letters, or a number up to 99.";
      return error(message, indent + 1);
    }
    const places = [...cells];
    const wrong = places.findIndex((cell) => !(cell in KINDS));
    if (wrong >= 0) {
      const message = `“${places[wrong]}” is not a seat category. Use S, P, W, C or “.”.`;
      return error(message, head.length + wrong + 1);
    }
    if (cells.length > limits.seats) {
      const message = `A row can have at most ${limits.seats} places.`;
      return error(message, head.length + limits.seats + 1);
    }
    if (hasNoSeats(cells)) {
      return error(`Row ${label} has no seats. For an aisle, leave the line empty.`, indent + 1);
    }
    return null;
  };

  // Return the rows from front to back, including cross aisles, and the first error of every line.
  const read = (text, limits) => {
    const lines = linesOf(text);
    const height = lines.findLastIndex((line) => line !== "") + 1;
    const firstLine = new Map();
    const errors = [];
    lines.slice(0, Math.min(height, limits.rows)).forEach((line, y) => {
      if (!line) return;
      let error = findError(line, y + 1, limits);
      const { label, indent } = rowOf(line);
      if (!error && firstLine.has(label)) {
        error = new LayoutError(
          `Row ${label} is already on line ${firstLine.get(label)}.`, y + 1, indent + 1,
        );
      } else if (!error) {
        firstLine.set(label, y + 1);
      }
      if (error) errors.push(error);
    });
    if (height > limits.rows) {
      errors.push(new LayoutError(`A layout can have at most ${limits.rows} rows.`, limits.rows + 1, 1));
    }
    return { rows: lines.map(rowOf), errors };
  };

  const nextLabel = (label) => {
    if (/\d/.test(label)) return label === "99" ? "A" : `${+label + 1}`;
    const [first, last] = [label.slice(0, -1), label.at(-1)];
    if (last !== "Z") return first + String.fromCharCode(last.charCodeAt(0) + 1);
    if (first === "Z") return "A";
    return (first ? nextLabel(first) : "A") + "A";
  };

  const nextFreeLabel = (label, taken) => {
    let free = label ? nextLabel(label) : "A";
    while (taken.has(free)) free = nextLabel(free);
    return free;
  };

  // Return the label for a new row on line `y`: the next free one after the row in front.
  const newLabel = (rows, y) => {
    const before = rows.slice(0, y).findLast((row) => row.label);
    return nextFreeLabel(before?.label, new Set(rows.map((row) => row.label)));
  };

  // Pad the label so that the cells of all rows stay aligned.
  const headFor = (label, rows) => {
    const width = Math.max(...rows.map((row) => row.head.length)) || label.length + 2;
    return label.padEnd(Math.max(width, label.length + 1));
  };

  const write = (rows) =>
    rows.map(({ head, cells }) => (hasNoSeats(cells) ? "" : head + cells) + "\n").join("");

  // Set every cell of the area. A row without seats becomes a cross aisle; a cross aisle with a
  // seat becomes a row.
  const paint = (text, { top, bottom, left, right }, kind) => {
    const rows = linesOf(text).map(rowOf);
    for (let y = top; y <= bottom; y++) {
      const row = rows[y];
      const painted = row.cells.padEnd(left, ".").slice(0, left)
        + kind.repeat(right - left + 1) + row.cells.slice(right + 1);
      const length = Math.max(row.cells.length, painted.replace(/\.+$/, "").length);
      row.cells = painted.slice(0, length);
      if (!row.label && !hasNoSeats(row.cells)) {
        row.label = newLabel(rows, y);
        row.head = headFor(row.label, rows);
      }
    }
    return write(rows);
  };

  // Insert a row at line `at`, copying the cells of line `y`.
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

  // Insert a column at `at`, copying the cells of column `x`.
  const copyColumn = (text, x, at) =>
    eachRow(text, (cells) =>
      x < cells.length ? cells.slice(0, at) + cells[x] + cells.slice(at) : cells,
    );

  const removeColumn = (text, x) =>
    eachRow(text, (cells) => cells.slice(0, x) + cells.slice(x + 1));

  // Throw an Error with a message for the user if the label is invalid or taken.
  const relabel = (text, y, label) => {
    const rows = linesOf(text).map(rowOf);
    if (!LABEL.test(label)) {
      throw new Error("A row label must be one or two capital letters, or a number up to 99.");
    }
    const other = rows.findIndex((row, line) => line !== y && row.label === label);
    if (other >= 0) throw new Error(`Row ${label} is already on line ${other + 1}.`);
    rows[y].head = label.padEnd(Math.max(rows[y].head.length, label.length + 1));
    return write(rows);
  };

  // Relabel the rows behind line `y` in sequence.
  const relabelFrom = (text, y) => {
    const rows = linesOf(text).map(rowOf);
    let label = rows[y].label;
    const taken = new Set(rows.slice(0, y).map((row) => row.label));
    for (const row of rows.slice(y + 1).filter((row) => row.label)) {
      label = nextFreeLabel(label, taken);
      row.head = label.padEnd(Math.max(row.head.length, label.length + 1));
    }
    return write(rows);
  };

  return {
    KINDS, read, paint, copyRow, removeRow, copyColumn, removeColumn, relabel, relabelFrom,
  };
})();
