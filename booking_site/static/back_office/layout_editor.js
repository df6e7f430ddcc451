// The layout editor: one text, edited in the text area or by painting in the preview beside it.
// The preview is always drawn from the text. While the text has errors, the preview shows the
// last valid layout with a message, and painting is disabled.

const errorList = (errors, goTo) =>
  errors.map((error) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = error.message;
    button.addEventListener("click", () => goTo(error));
    item.append(button);
    return item;
  });

// A copy of the text, displayed behind the text area, with erroneous lines and cells highlighted.
const markErrors = (text, errors) => {
  const byLine = new Map(errors.map((error) => [error.line, error]));
  return text.split("\n").flatMap((line, y) => {
    const error = byLine.get(y + 1);
    if (!error) return [line, "\n"];
    const at = error.column - 1;
    const marked = document.createElement("span");
    const mark = document.createElement("mark");
    marked.className = "line";
    mark.textContent = line.charAt(at) || " ";
    marked.append(line.slice(0, at), mark, line.slice(at + 1));
    return [marked, "\n"];
  });
};

// Undo and redo of the text. Continuous typing is one step.
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

  // `typed` describes a keystroke: its kind and the position of the caret after it.
  record(text, typed = null) {
    if (text === this.now) return;
    const before = this.#typed;
    const continues =
      typed && before && before.kind === typed.kind && Math.abs(before.caret - typed.caret) === 1;
    if (!continues) this.#past.push(this.now);
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
  const preview = editor.querySelector(".layout-preview");
  preview.removeAttribute("aria-live");
  preview.replaceChildren(editor.querySelector("template").content.cloneNode(true));
  const [errorElement, count, label, labelKind, numbering] = [
    "errors", "count", "label", "label-kind", "numbering",
  ].map((name) => preview.querySelector(`.layout-${name}`));
  const stale = preview.querySelector(".layout-stale");
  const room = preview.querySelector(".layout-room");
  const column = preview.querySelector(".layout-column");
  const [start, brushes, tools] = [
    ".layout-start", "[data-kind]", "[data-tool]",
  ].map((selector) => [...preview.querySelectorAll(selector)]);
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

  const selectBrush = (kind) => {
    brush = kind;
    for (const button of brushes) button.ariaPressed = `${button.dataset.kind === kind}`;
  };

  const showStatus = (text) => {
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
      relabelFrom: !row?.label,
      startSection: !row?.label || size.height >= limits.rows,
    };
    for (const tool of tools) {
      const step = tool.dataset.tool === "undo" || tool.dataset.tool === "redo";
      tool.disabled = off[tool.dataset.tool] || (!step && (grid.disabled || !row));
    }
    const isHeading = row?.section !== undefined;
    labelKind.textContent = isHeading ? "Section" : "Row";
    label.value = row?.section ?? row?.label ?? "";
    label.disabled = grid.disabled || !(row?.label || isHeading);
    numbering.value = row?.numbering ?? "";
    numbering.disabled = grid.disabled || !row?.label;
    column.textContent = row ? cursor.x + 1 : "";
  };

  const refresh = () => {
    const text = textarea.value;
    const { rows: found, errors } = layoutText.read(text, limits);
    marks.replaceChildren(...markErrors(text, errors));
    errorElement.replaceChildren(...errorList(errors, goTo));
    errorElement.hidden = errors.length === 0;
    if (errors.length === 0) rows = found;
    const empty = !text.trim();
    room.hidden = empty || rows.length === 0;
    for (const button of start) button.hidden = !empty;
    stale.hidden = errors.length === 0 || room.hidden;
    room.classList.toggle("stale", errors.length > 0);
    grid.element.setAttribute("aria-disabled", errors.length > 0);
    if (errors.length === 0) {
      const seats = rows.reduce((sum, row) => sum + row.cells.replaceAll(".", "").length, 0);
      showStatus(empty ? "No seats yet." : `${seats} seats`);
      grid.show(rows);
    }
    refreshTools();
  };

  const write = (text) => {
    textarea.value = text;
    refresh();
  };

  const change = (text) => {
    history.record(text);
    write(text);
  };

  const step = (direction) => {
    history[direction]();
    write(history.now);
  };

  const grid = new LayoutGrid(preview.querySelector('[role="grid"]'), {
    paint: (area) => write(layoutText.paint(history.now, area, brush)),
    settle: () => change(textarea.value),
    cancel: () => write(history.now),
    moved: () => refreshTools(),
    press: (key) => {
      const erases = key === "Delete" || key === "Backspace";
      const kind = erases ? "." : key === " " ? brush : key.toUpperCase();
      if (grid.disabled || !(kind in layoutText.KINDS)) return false;
      if (!erases) selectBrush(kind);
      change(layoutText.paint(history.now, grid.area, kind));
      return true;
    },
  });

  const actions = {
    undo: () => step("undo"),
    redo: () => step("redo"),
    rowAbove: ({ y }) => change(layoutText.copyRow(history.now, y, y)),
    rowBelow: ({ y }) => change(layoutText.copyRow(history.now, y, y + 1)),
    rowRemove: ({ y }) => change(layoutText.removeRow(history.now, y)),
    columnLeft: ({ x }) => change(layoutText.copyColumn(history.now, x, x)),
    columnRight: ({ x }) => change(layoutText.copyColumn(history.now, x, x + 1)),
    columnRemove: ({ x }) => change(layoutText.removeColumn(history.now, x)),
    relabelFrom: ({ y }) => change(layoutText.relabelFrom(history.now, y)),
    startSection: ({ y }) => {
      change(layoutText.startSection(history.now, y));
      label.focus();
      label.select(); // to enter the name
    },
  };

  for (const tool of tools) {
    tool.addEventListener("click", () => actions[tool.dataset.tool](grid.cursor));
  }
  for (const button of brushes) {
    button.addEventListener("click", () => selectBrush(button.dataset.kind));
  }
  for (const button of start) {
    button.addEventListener("click", () => change(button.dataset.text));
  }

  // Apply an input of the tools to the current row.
  const onEntry = (input, edit) => {
    input.addEventListener("change", () => {
      try {
        change(edit(grid.cursor.y, input.value.trim()));
      } catch (refusal) {
        showStatus(refusal.message);
        refreshTools();
      }
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // or it would submit the form
      input.dispatchEvent(new Event("change"));
    });
  };
  onEntry(label, (y, name) =>
    rows[y].section === undefined
      ? layoutText.relabel(history.now, y, name.toUpperCase())
      : layoutText.renameSection(history.now, y, name),
  );
  onEntry(numbering, (y, typed) => layoutText.renumber(history.now, y, typed));

  textarea.addEventListener("input", (event) => {
    const typed = { kind: event.inputType, caret: textarea.selectionStart };
    history.record(textarea.value, typed);
    refresh();
  });
  textarea.addEventListener("scroll", () => {
    marks.scrollTop = textarea.scrollTop;
    marks.scrollLeft = textarea.scrollLeft;
  });

  // Painting breaks the browser's undo in the text area, so one history serves both.
  const shortcuts = { z: "undo", y: "redo", Z: "redo" };
  editor.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !shortcuts[event.key]) return;
    if (event.target === label || event.target === numbering) return;
    event.preventDefault();
    step(shortcuts[event.key]);
  });
  textarea.addEventListener("beforeinput", (event) => {
    if (!event.inputType.startsWith("history")) return;
    event.preventDefault();
    step(event.inputType === "historyUndo" ? "undo" : "redo");
  });

  selectBrush(brush);
  refresh();
}
