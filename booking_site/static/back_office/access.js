// Makes the theme's widgets usable with a screen reader and without a mouse.

function labelSelect(container) {
  const list = container.querySelector("[role=searchbox]")?.getAttribute("aria-controls");
  // The open list is at the end of the page; its id is derived from the field's.
  const id = list?.replace(/^select2-|-results$/g, "");
  const select = container.previousElementSibling?.matches("select")
    ? container.previousElementSibling
    : document.getElementById(id);
  const label = select?.labels?.[0];
  if (!label) return;
  label.id ||= `${select.id}_label`;
  const box = container.querySelector("[role=combobox]");
  const chosen = container.querySelector("[role=textbox]");
  chosen?.setAttribute("aria-labelledby", label.id);
  if (chosen) box?.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
  const owned = box?.getAttribute("aria-owns");
  if (owned) box.setAttribute("aria-controls", owned);
  container.querySelector("[role=searchbox]")?.setAttribute("aria-labelledby", label.id);
}

// For buttons that show only an icon: a screen reader would read the icon's name.
const ICONS = { more_vert: "More", close: "Close the menu", visibility: "Show the password" };

function makeButton(element) {
  // Backdrops are excluded; Escape closes what is in front of them.
  if (element.matches("button, label, a[href], #changelist-filter-close, :has(a, button, input)")) return;
  element.setAttribute("role", "button");
  element.tabIndex = 0;
  const name = ICONS[element.textContent.trim()];
  const field = element.closest(".related-widget-wrapper")?.querySelector("select")?.labels?.[0];
  if (name) element.setAttribute("aria-label", field ? `${name}: ${field.textContent.trim()}` : name);
}

// Hide an icon next to text, or a screen reader would read its name with the text.
function hideIcon(icon) {
  const whole = icon.closest("a, button, [role=button]");
  if (whole !== icon && whole.textContent.trim() !== icon.textContent.trim()) icon.ariaHidden = "true";
}

function improve() {
  document.querySelectorAll(".select2-container").forEach(labelSelect);
  // Only an element with a role can have a label.
  document.querySelectorAll("span.help-tooltip").forEach((icon) => icon.setAttribute("role", "img"));
  document.querySelectorAll("[x-on\\:click]").forEach(makeButton);
  // The theme's script fails on a file field without its own text element; this makes it skip ours.
  document.querySelectorAll("input.office-input[type=file]").forEach((file) => { file.hasChangeListener = true; });
  document.querySelectorAll(":is(a, button, [role=button]) .material-symbols-outlined").forEach(hideIcon);
}

document.addEventListener("DOMContentLoaded", () => {
  improve();
  // Browsers skip autofocus if something else had the focus while the page was loading.
  document.querySelector("[autofocus]")?.focus();
  new MutationObserver(improve).observe(document.body, { childList: true, subtree: true });
});

document.addEventListener("keydown", (event) => {
  if (!["Enter", " "].includes(event.key) || !event.target.matches("[role=button][x-on\\:click]")) return;
  event.preventDefault();
  event.target.click();
});
