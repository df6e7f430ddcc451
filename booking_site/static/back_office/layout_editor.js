// The layout editor: one text, typed in the text area or painted in the picture beside it.
// The picture is always drawn from the text; while the text has a flaw, the picture stays
// at the last room that could be read, says so, and cannot be painted on.

const flawsAsList = (flaws, goTo) =>
  flaws.map((flaw) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = flaw.message;
    button.addEventListener("click", () => goTo(flaw));
    item.append(button);
    return item;
  });

// The same text behind the typed one, with the flawed lines and cells coloured.
const flawsAsMarks = (text, flaws) => {
  const byLine = new Map(flaws.map((flaw) => [flaw.line, flaw]));
  return text.split("\n").flatMap((line, y) => {
    const flaw = byLine.get(y + 1);
    if (!flaw) return [line, "\n"];
    const at = flaw.column - 1;
    const marked = document.createElement("span");
    const mark = document.createElement("mark");
    marked.className = "line";
    mark.textContent = line.charAt(at) || " ";
    marked.append(line.slice(0, at), mark, line.slice(at + 1));
    return [marked, "\n"];
  });
};

// What the text was, and what it is again after undo and redo. Typing on is one step.
class LayoutHistory {
  #past = [];
  #future = [];
  #typed = null;

  constructor(text) {
    this.now = text;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  // `typed` tells of a keystroke: which kind, and where it left the caret.
  keep(text, typed = null) {
    if (text === this.now) return;
    const before = this.#typed;
    const goesOn =
      typed && before && before.kind === typed.kind && Math.abs(before.caret - typed.caret) === 1;
    if (!goesOn) this.#past.push(this.now);
    this.#future = [];
    this.#typed = typed;
    this.now = text;
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    if (from.length === 0) return;
    to.push(this.now);
    this.now = from.pop();
    this.#typed = null;
  }
}

for (const editor of document.querySelectorAll(".layout-editor")) {
  const textarea = editor.querySelector("textarea");
  const marks = editor.querySelector(".layout-marks");
  const picture = editor.querySelector(".layout-preview");
  picture.removeAttribute("aria-live");
  picture.replaceChildren(editor.querySelector("template").content.cloneNode(true));
  const [flawList, count, label] = ["flaws", "count", "label"].map((name) =>
    picture.querySelector(`.layout-${name}`),
  );
  const stale = picture.querySelector(".layout-stale");
  const room = picture.querySelector(".layout-room");
  const column = picture.querySelector(".layout-column");
  const [start, brushes, tools] = [
    ".layout-start", "[data-kind]", "[data-tool]",
  ].map((selector) => [...picture.querySelectorAll(selector)]);
  const limits = { rows: +editor.dataset.maxRows, seats: +editor.dataset.maxSeats };
  const history = new LayoutHistory(textarea.value);
  let brush = "S";
  let rows = []; // of the last text that could be read

  const goTo = ({ line, column }) => {
    const before = textarea.value.split("\n").slice(0, line - 1).join("\n");
    const at = before.length + (line > 1 ? 1 : 0) + column - 1;
    textarea.focus();
    textarea.setSelectionRange(at, at + 1);
  };

  const takeBrush = (kind) => {
    brush = kind;
    for (const button of brushes) button.ariaPressed = `${button.dataset.kind === kind}`;
  };

  const say = (text) => {
    if (count.textContent !== text) count.textContent = text;
  };

  const refreshTools = () => {
    const { cursor, size } = grid;
    const row = rows[cursor.y];
    const off = {
      undo: !history.canUndo,
      redo: !history.canRedo,
      rowAbove: size.height >= limits.rows,
      rowBelow: size.height >= limits.rows,
      columnLeft: size.width >= limits.seats,
      columnRight: size.width >= limits.seats,
      labelOn: !row?.label,
    };
    for (const tool of tools) {
      const step = tool.dataset.tool === "undo" || tool.dataset.tool === "redo";
      tool.disabled = off[tool.dataset.tool] || (!step && (grid.disabled || !row));
    }
    label.value = row?.label ?? "";
    label.disabled = grid.disabled || !row?.label;
    column.textContent = row ? cursor.x + 1 : "";
  };

  const refresh = () => {
    const text = textarea.value;
    const { rows: found, flaws } = layoutText.read(text, limits);
    marks.replaceChildren(...flawsAsMarks(text, flaws));
    flawList.replaceChildren(...flawsAsList(flaws, goTo));
    flawList.hidden = flaws.length === 0;
    if (flaws.length === 0) rows = found;
    const empty = !text.trim();
    room.hidden = empty || rows.length === 0;
    for (const button of start) button.hidden = !empty;
    stale.hidden = flaws.length === 0 || room.hidden;
    room.classList.toggle("stale", flaws.length > 0);
    grid.element.setAttribute("aria-disabled", flaws.length > 0);
    if (flaws.length === 0) {
      const seats = rows.reduce((sum, row) => sum + row.cells.replaceAll(".", "").length, 0);
      say(empty ? "No seats yet." : `${seats} seats`);
      grid.show(rows);
    }
    refreshTools();
  };

  const write = (text) => {
    textarea.value = text;
    refresh();
  };

  const change = (text) => {
    history.keep(text);
    write(text);
  };

  const step = (direction) => {
    history[direction]();
    write(history.now);
  };

  const grid = new LayoutGrid(picture.querySelector('[role="grid"]'), {
    paint: (area) => write(layoutText.paint(history.now, area, brush)),
    settle: () => change(textarea.value),
    cancel: () => write(history.now),
    moved: () => refreshTools(),
    press: (key) => {
      const erases = key === "Delete" || key === "Backspace";
      const kind = erases ? "." : key === " " ? brush : key.toUpperCase();
      if (grid.disabled || !(kind in layoutText.KINDS)) return false;
      if (!erases) takeBrush(kind);
      change(layoutText.paint(history.now, grid.area, kind));
      return true;
    },
  });

  const act = {
    undo: () => step("undo"),
    redo: () => step("redo"),
    rowAbove: ({ y }) => change(layoutText.copyRow(history.now, y, y)),
    rowBelow: ({ y }) => change(layoutText.copyRow(history.now, y, y + 1)),
    rowRemove: ({ y }) => change(layoutText.removeRow(history.now, y)),
    columnLeft: ({ x }) => change(layoutText.copyColumn(history.now, x, x)),
    columnRight: ({ x }) => change(layoutText.copyColumn(history.now, x, x + 1)),
    columnRemove: ({ x }) => change(layoutText.removeColumn(history.now, x)),
    labelOn: ({ y }) => change(layoutText.labelOn(history.now, y)),
  };

  for (const tool of tools) {
    tool.addEventListener("click", () => act[tool.dataset.tool](grid.cursor));
  }
  for (const button of brushes) {
    button.addEventListener("click", () => takeBrush(button.dataset.kind));
  }
  for (const button of start) {
    button.addEventListener("click", () => change(button.dataset.text));
  }

  label.addEventListener("change", () => {
    try {
      change(layoutText.relabel(history.now, grid.cursor.y, label.value.trim().toUpperCase()));
    } catch (refusal) {
      say(refusal.message);
      refreshTools();
    }
  });
  label.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // it must not save the screen
    label.dispatchEvent(new Event("change"));
  });

  textarea.addEventListener("input", (event) => {
    const typed = { kind: event.inputType, caret: textarea.selectionStart };
    history.keep(textarea.value, typed);
    refresh();
  });
  textarea.addEventListener("scroll", () => {
    marks.scrollTop = textarea.scrollTop;
    marks.scrollLeft = textarea.scrollLeft;
  });

  // Painting ends the browser's own history of the text area: there is one for both.
  const ours = { z: "undo", y: "redo", Z: "redo" };
  editor.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !ours[event.key] || event.target === label) return;
    event.preventDefault();
    step(ours[event.key]);
  });
  textarea.addEventListener("beforeinput", (event) => {
    if (!event.inputType.startsWith("history")) return;
    event.preventDefault();
    step(event.inputType === "historyUndo" ? "undo" : "redo");
  });

  takeBrush(brush);
  refresh();
}
