// The turn log: new lines are fetched and appended, old ones leave at the top.

import { tick } from "./clock.js";
import { coalesced } from "./coalesced.js";

const KEPT = 200; // lines
const NEAR = 48; // pixels from the end that still count as being there
const LIMIT = 20_000; // milliseconds

const list = () => document.getElementById("log");
const box = () => document.getElementById("logbox");
let unseen = 0;

export function followLog() {
  if (!list()) return;
  toEnd();
  box().addEventListener("scroll", () => atEnd() && tellUnseen(0));
  box().querySelector(".unseen").addEventListener("click", toEnd);
}

export const growLog = coalesced(async () => {
  const log = list();
  const last = log.lastElementChild?.dataset.seq ?? 0;
  try {
    const signal = AbortSignal.timeout(LIMIT);
    const response = await fetch(`${log.dataset.source}?after=${last}`, { signal });
    if (response.ok) append(log, await response.text());
  } catch {
    // The stream tells of the next line, and this one comes with it.
  }
});

function append(log, html) {
  const follow = atEnd();
  const lines = new DOMParser().parseFromString(html, "text/html").querySelectorAll("li.line");
  log.append(...lines);
  while (log.children.length > KEPT) log.firstElementChild.remove();
  tick();
  if (follow) toEnd();
  else tellUnseen(unseen + lines.length);
}

const atEnd = () => box().scrollHeight - box().scrollTop - box().clientHeight < NEAR;

function toEnd() {
  box().scrollTop = box().scrollHeight;
  tellUnseen(0);
}

function tellUnseen(count) {
  unseen = count;
  const button = box().querySelector(".unseen");
  button.hidden = count === 0;
  button.textContent = `${count} new below`;
}
