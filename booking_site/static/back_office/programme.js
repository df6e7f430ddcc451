// Saves clicks in the week view and the planning forms, which also work without it.

const weekSwitch = document.getElementById("week-switch");
if (weekSwitch) {
  weekSwitch.addEventListener("change", (event) => {
    // A date changes with every key; submit only when it is complete.
    if (event.target.checkValidity() && event.target.value) weekSwitch.requestSubmit();
  });
}

// “All” and “none” above a list of checkboxes.
for (const choices of document.querySelectorAll("[data-choices]")) {
  const boxes = [...choices.querySelectorAll('input[type="checkbox"]')];
  const both = document.createElement("div");
  both.className = "choose-many";
  for (const [text, checked] of [["All", true], ["None", false]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-link";
    button.textContent = text;
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = checked;
    });
    both.append(button);
  }
  choices.append(both);
}
