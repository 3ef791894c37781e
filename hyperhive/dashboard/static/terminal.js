// The terminal of an agent's page: a button opens it, and only then its library is fetched.

const section = () => document.getElementById("terminal");
let view = null;

export function offerTerminal() {
  if (!section()) return;
  section().querySelector(".controls").hidden = false;
  for (const button of section().querySelectorAll("[data-user]")) {
    button.addEventListener("click", () => open(button.dataset.user));
  }
  section().querySelector(".close").addEventListener("click", () => view?.close());
}

async function open(user) {
  setOpen(true);
  tell("opening …");
  try {
    const { View } = await import("./terminal_view.js");
    view?.remove();
    const screen = section().querySelector(".screen");
    screen.hidden = false;
    view = new View(screen, leave);
    view.connect(section().dataset.address, user, began, ended);
  } catch {
    ended("its library could not be loaded");
  }
}

function began() {
  tell("Ctrl+F6 leaves it with the keyboard");
}

function ended(why) {
  const had = section().contains(document.activeElement);
  setOpen(false);
  tell(`Not connected: ${why}.`);
  const again = section().querySelector("[data-user]");
  again.textContent = again.textContent.replace(/^(Open|Reconnect)/, "Reconnect");
  if (had) again.focus();
}

function setOpen(open) {
  for (const button of section().querySelectorAll("[data-user]")) button.hidden = open;
  section().querySelector(".close").hidden = !open;
}

function leave() {
  section().querySelector(".close").focus();
}

function tell(text) {
  section().querySelector(".told").textContent = text;
}
