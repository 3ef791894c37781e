// What the agent's harness wrote: fetched anew when asked for, so that reading is not disturbed.

const LIMIT = 20_000; // milliseconds

const box = () => document.getElementById("output");

export function watchOutput() {
  if (!box()) return;
  toEnd();
  document.getElementById("written").addEventListener("toggle", toEnd);
  document.getElementById("output-again").addEventListener("click", (event) => {
    event.preventDefault();
    again(event.currentTarget);
  });
}

async function again(link) {
  link.setAttribute("aria-busy", "true");
  try {
    const signal = AbortSignal.timeout(LIMIT);
    const response = await fetch(box().dataset.source, { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    box().replaceChildren(...fresh.body.children);
    toEnd();
  } catch (problem) {
    box().textContent = `Not read: ${problem.message}`;
  } finally {
    link.removeAttribute("aria-busy");
  }
}

function toEnd() {
  box().scrollTop = box().scrollHeight;
}
