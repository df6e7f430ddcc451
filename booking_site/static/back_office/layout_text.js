// Reads and edits the text of a layout. catalog/layouts.py defines the grammar and is authoritative.
// Every edit takes text and returns text; unaffected lines stay as typed.

const layoutText = (() => {
  const KINDS = {
    S: "standard", P: "premium", W: "wheelchair", C: "companion", ".": "empty",
  };
  const LABEL = /^([A-Z]{1,2}|[1-9][0-9]?)$/;
  const STEPS = /^([<>])([1-9][0-9]{0,3})?(?:\+([1-9][0-9]?))?$/;
  const LIST = /^\[ *[1-9][0-9]{0,3}(?: *, *[1-9][0-9]{0,3})* *\]$/;
  const SECTION = /^[\p{L}\p{N}][\p{L}\p{M}\p{N} .'’&/\u200c\u200d-]*$/u;
  const MAX_SECTION_NAME = 24;

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

  const hasNoSeats = (cells) => !/[^.]/.test(cells);
  const countSeats = (cells) => cells.replaceAll(".", "").length;

  const checkNumbering = (text) => {
    if (text && !STEPS.test(text) && !LIST.test(text)) {
      throw new Error("Number the seats like <2+2 (from the right), >2+2 or [1,2,4,5].");
    }
  };

  // Return the numbers of `count` seats from the left. Throw an Error with a message for the user.
  const readNumbers = (text, count) => {
    checkNumbering(text);
    if (!text.startsWith("[")) {
      const [, direction = ">", first = 1, step = 1] = text.match(STEPS) ?? [];
      const numbers = Array.from({ length: count }, (_, index) => +first + step * index);
      return direction === "<" ? numbers.reverse() : numbers;
    }
    const numbers = text.match(/[0-9]+/g).map(Number);
    const twice = numbers.find((number, index) => numbers.indexOf(number) < index);
    if (twice) throw new Error(`Number ${twice} is listed twice. List one number for each seat.`);
    if (numbers.length !== count) {
      throw new Error(`List one number for each seat: seats ${count}, numbers ${numbers.length}.`);
    }
    return numbers;
  };

  // For a numbering that is a list, return the number of each cell.
  const listedNumbers = (numbering, cells) => {
    if (!LIST.test(numbering)) return null;
    const numbers = numbering.match(/[0-9]+/g).map(Number);
    return [...cells].map((cell) => (cell === "." ? undefined : numbers.shift()));
  };

  // A cross aisle has neither label nor cells; only the heading of a section has `section`.
  // `lead` is the line up to the numbering, `head` the line up to the cells.
  const rowOf = (line) => {
    const heading = line.match(/^( *)= *(.*)$/);
    if (heading) {
      const section = heading[2].replace(/ +/g, " ").normalize("NFC");
      return { section, label: "", cells: "", indent: heading[1].length, head: line };
    }
    const [, indent, label, blanks, rest] = line.match(/^( *)([^ ]*)( *)(.*)$/);
    const [, numbering, gap, cells] = rest.match(/^(\[[^\]]*\]?|[<>][^ ]*|)( *)(.*)$/);
    const lead = indent + label + blanks;
    return {
      label, numbering: numbering.trimEnd(), cells, indent: indent.length, lead,
      head: lead + numbering + gap, listed: listedNumbers(numbering, cells),
    };
  };

  const isHeading = (row) => row.section !== undefined;

  // Return the message and the index in `typed` of the first error in a section's name.
  const headingError = (name, typed) => {
    if (!typed) return ["Enter the section's name after the equals sign.", 0];
    if (!SECTION.test(typed)) {
      const places = [...typed];
      const wrong = places.findIndex((_, index) => !SECTION.test(places.slice(0, index + 1).join("")));
      return [`Remove “${places[wrong]}” from the name of the section.`, wrong];
    }
    if ([...name].length > MAX_SECTION_NAME) {
      return [`The name of a section can have at most ${MAX_SECTION_NAME} characters.`, 0];
    }
    return null;
  };

  const findError = (line, number, limits) => {
    const error = (message, column) => new LayoutError(message, number, column);
    if (line.includes("\t")) return error("Use spaces instead of tabs.", line.indexOf("\t") + 1);
    const { section, label, numbering, cells, indent, lead, head } = rowOf(line);
    if (section !== undefined) {
      const typed = line.slice(indent + 1).trimStart();
      const [message, at] = headingError(section, typed) ?? [];
      return message ? error(message, (typed ? line.length - typed.length + at : indent) + 1) : null;
    }
    if (!LABEL.test(label)) {
      const message =
        "Start the row with its label: one or two capital letters, or a number up to 99.";
      return error(message, indent + 1);
    }
    try {
      checkNumbering(numbering);
    } catch (refusal) {
      return error(refusal.message, lead.length + 1);
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
    try {
      readNumbers(numbering, countSeats(cells));
    } catch (refusal) {
      return error(refusal.message, lead.length + 1);
    }
    return null;
  };

  const seatName = (row, number) => row + (/[0-9]$/.test(row) ? "-" : "") + number;

  // Return the rows from front to back, including cross aisles and headings, and the first error
  // of every line. Valid rows have a `name`, such as `Balcony A`, and the `numbers` of their seats.
  const read = (text, limits) => {
    const lines = linesOf(text);
    const rows = lines.map(rowOf);
    const height = lines.findLastIndex((line) => line !== "") + 1;
    const firstLine = new Map(); // of each section and row
    const errors = [];
    let [prefix, hasRows] = ["", false];
    lines.slice(0, Math.min(height, limits.rows)).forEach((line, y) => {
      if (!line) return;
      const row = rows[y];
      const name = isHeading(row) ? `Section ${row.section}` : `Row ${prefix}${row.label}`;
      let error = findError(line, y + 1, limits);
      if (!error && firstLine.has(name)) {
        error = new LayoutError(
          `${name} is already on line ${firstLine.get(name)}.`, y + 1, row.indent + 1,
        );
      }
      if (error) {
        errors.push(error);
        return;
      }
      firstLine.set(name, y + 1);
      if (isHeading(row)) {
        prefix = hasRows ? `${row.section} ` : "";
      } else {
        hasRows = true;
        row.name = prefix + row.label;
        row.numbers = readNumbers(row.numbering, countSeats(row.cells));
      }
    });
    if (height > limits.rows) {
      errors.push(new LayoutError(`A layout can have at most ${limits.rows} rows.`, limits.rows + 1, 1));
    }
    if (height > 0 && !hasRows && errors.length === 0) {
      errors.push(new LayoutError("This layout has no seats.", 1, 1));
    }
    return { rows, errors };
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

  // Return the rows of the same section before line `y`, and those from there on.
  const sectionAround = (rows, y) => {
    const start = rows.slice(0, y).findLastIndex(isHeading) + 1;
    const next = rows.slice(y).findIndex(isHeading);
    return [rows.slice(start, y), rows.slice(y, next < 0 ? rows.length : y + next)];
  };

  // Return the label for a new row on line `y`: the next free one after the row in front.
  const newLabel = (rows, y) => {
    const [before, after] = sectionAround(rows, y);
    const last = before.findLast((row) => row.label);
    return nextFreeLabel(last?.label, new Set([...before, ...after].map((row) => row.label)));
  };

  // Pad the label so that the cells of all rows stay aligned.
  const headFor = (label, rows) => {
    const heads = rows.filter((row) => row.label).map((row) => row.head.length);
    const width = Math.max(0, ...heads) || label.length + 2;
    return label.padEnd(Math.max(width, label.length + 1));
  };

  // Return the line up to the cells. In a list of numbers, those of removed seats are left out, and
  // new seats continue after the highest number.
  const headOf = ({ lead, numbering, head, cells, listed }) => {
    if (!listed) return head;
    let highest = Math.max(0, ...listed.filter(Boolean));
    const seats = [...cells].flatMap((cell, x) => (cell === "." ? [] : [listed[x] ?? ++highest]));
    if (`${seats}` === `${numbering.match(/[0-9]+/g)}`) return head;
    return `${lead}[${seats}] `.padEnd(head.length);
  };

  const lineOf = (row) => {
    if (isHeading(row)) return row.head;
    return hasNoSeats(row.cells) ? "" : headOf(row) + row.cells;
  };

  const write = (rows) => rows.map((row) => `${lineOf(row)}\n`).join("");

  const setLabel = (row, label) => {
    const lead = label.padEnd(Math.max(row.lead.length, label.length + 1));
    row.head = lead + row.head.slice(row.lead.length);
    Object.assign(row, { label, lead });
  };

  // Set every cell of the area. A row without seats becomes a cross aisle; a cross aisle with a
  // seat becomes a row. Headings of sections stay.
  const paint = (text, { top, bottom, left, right }, kind) => {
    const rows = linesOf(text).map(rowOf);
    for (let y = top; y <= bottom; y++) {
      const row = rows[y];
      if (isHeading(row)) continue;
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

  // Insert a row at line `at`, copying the cells and the numbering of line `y`; a cross aisle if
  // that is the heading of a section.
  const copyRow = (text, y, at) => {
    const rows = linesOf(text).map(rowOf);
    const copy = isHeading(rows[y]) ? rowOf("") : { ...rows[y] };
    if (copy.label) setLabel(copy, newLabel(rows, at));
    return write(rows.toSpliced(at, 0, copy));
  };

  const removeRow = (text, y) => write(linesOf(text).map(rowOf).toSpliced(y, 1));

  // Change the cells of every row, and the numbers listed for them, as arrays.
  const eachRow = (text, change) =>
    write(
      linesOf(text).map(rowOf).map((row) => ({
        ...row,
        cells: change([...row.cells], row.cells).join(""),
        listed: row.listed && change(row.listed, []),
      })),
    );

  // Insert a column at `at`, copying the cells of column `x`. Its seats get new numbers.
  const copyColumn = (text, x, at) =>
    eachRow(text, (items, copied) =>
      x < items.length ? items.toSpliced(at, 0, copied[x]) : items,
    );

  const removeColumn = (text, x) => eachRow(text, (items) => items.toSpliced(x, 1));

  // Start a section with the row on line `y`.
  const startSection = (text, y) => {
    const rows = linesOf(text).map(rowOf);
    const taken = new Set(rows.map((row) => row.section));
    let number = taken.size + 1;
    while (taken.has(`Section ${number}`)) number++;
    return write(rows.toSpliced(y, 0, rowOf(`= Section ${number}`)));
  };

  // Throw an Error with a message for the user if the name is invalid or taken.
  const renameSection = (text, y, name) => {
    const rows = linesOf(text).map(rowOf);
    const heading = rowOf(`= ${name}`);
    const [message] = headingError(heading.section, name) ?? [];
    if (message) throw new Error(message);
    const other = rows.findIndex((row, line) => line !== y && row.section === heading.section);
    if (other >= 0) throw new Error(`Section ${name} is already on line ${other + 1}.`);
    return write(rows.with(y, heading));
  };

  // Number the seats of the row, and align the cells of all rows. Throw an Error with a message for
  // the user if the numbering does not fit the row.
  const renumber = (text, y, numbering) => {
    const rows = linesOf(text).map(rowOf);
    readNumbers(numbering, countSeats(rows[y].cells));
    const labelled = rows.filter((row) => row.label);
    const margin = 2 + Math.max(...labelled.map((row) => row.lead.trimEnd().length));
    rows[y].head = rows[y].lead.trimEnd().padEnd(margin) + numbering;
    rows[y].listed = null;
    const width = 2 + Math.max(...labelled.map((row) => row.head.trimEnd().length));
    for (const row of labelled) row.head = row.head.trimEnd().padEnd(width);
    return write(rows);
  };

  // Throw an Error with a message for the user if the label is invalid or taken.
  const relabel = (text, y, label) => {
    const rows = linesOf(text).map(rowOf);
    if (!LABEL.test(label)) {
      throw new Error("A row label must be one or two capital letters, or a number up to 99.");
    }
    const other = sectionAround(rows, y).flat().find((row) => row !== rows[y] && row.label === label);
    if (other) throw new Error(`Row ${label} is already on line ${rows.indexOf(other) + 1}.`);
    setLabel(rows[y], label);
    return write(rows);
  };

  // Relabel the rows behind line `y` in sequence, up to the end of the section.
  const relabelFrom = (text, y) => {
    const rows = linesOf(text).map(rowOf);
    const [before, [first, ...behind]] = sectionAround(rows, y);
    const taken = new Set(before.map((row) => row.label));
    let { label } = first;
    for (const row of behind.filter((row) => row.label)) {
      label = nextFreeLabel(label, taken);
      setLabel(row, label);
    }
    return write(rows);
  };

  return {
    KINDS, read, paint, copyRow, removeRow, copyColumn, removeColumn, relabel, relabelFrom,
    startSection, renameSection, renumber, seatName,
  };
})();
