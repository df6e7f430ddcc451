// Gives the theme's widgets what they lack for who listens to the page or has no mouse.

function nameChoice(container) {
  const list = container.querySelector("[role=searchbox]")?.getAttribute("aria-controls");
  // Its open list stands at the end of the page and is named after its field.
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

// Some buttons are an icon only, whose name would be read out.
const ICONS = { more_vert: "More", close: "Close the menu", visibility: "Show the password" };

function makeButton(element) {
  // A cover that closes what is before it is no button: Escape does that.
  if (element.matches("button, label, a[href], #changelist-filter-close, :has(a, button, input)")) return;
  element.setAttribute("role", "button");
  element.tabIndex = 0;
  const name = ICONS[element.textContent.trim()];
  const field = element.closest(".related-widget-wrapper")?.querySelector("select")?.labels?.[0];
  if (name) element.setAttribute("aria-label", field ? `${name}: ${field.textContent.trim()}` : name);
}

// Beside words an icon says nothing; its name would be read out with them.
function silence(icon) {
  const whole = icon.closest("a, button, [role=button]");
  if (whole !== icon && whole.textContent.trim() !== icon.textContent.trim()) icon.ariaHidden = "true";
}

function mend() {
  document.querySelectorAll(".select2-container").forEach(nameChoice);
  // A label needs something that can have one.
  document.querySelectorAll("span.help-tooltip").forEach((icon) => icon.setAttribute("role", "img"));
  document.querySelectorAll("[x-on\\:click]").forEach(makeButton);
  // The theme would look for a text of its own beside a plain file field, and fail.
  document.querySelectorAll("input.office-input[type=file]").forEach((file) => { file.hasChangeListener = true; });
  document.querySelectorAll(":is(a, button, [role=button]) .material-symbols-outlined").forEach(silence);
}

document.addEventListener("DOMContentLoaded", () => {
  mend();
  // A browser leaves this out when something else was focused for a moment while the page came.
  document.querySelector("[autofocus]")?.focus();
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
});

document.addEventListener("keydown", (event) => {
  if (!["Enter", " "].includes(event.key) || !event.target.matches("[role=button][x-on\\:click]")) return;
  event.preventDefault();
  event.target.click();
});
