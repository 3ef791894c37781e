// The log of a deploy: what was printed since is fetched and appended while it goes on.

const KEPT = 2_000; // lines
const PAUSE = 500; // milliseconds
const AGAIN = 2_000; // after a failure
const NEAR = 48; // pixels from the end that still count as being there
const LIMIT = 20_000;

const box = () => document.getElementById("printed");
const text = () => box().querySelector("pre");

export async function followPrinted(ended) {
  if (!box()) return;
  box().querySelector(".again")?.remove(); // is for those without script
  // One node a line, so that old ones can leave at the top and what is selected stays so.
  const lines = text().textContent.split(/(?<=\n)/);
  text().replaceChildren(...lines);
  toEnd();
  let next = Number(box().dataset.next);
  for (let over = false; !over; ) {
    const part = document.visibilityState === "hidden" ? {} : await read(next);
    const more = part.next > next;
    if (more) append(part.text);
    next = part.next ?? next;
    over = part.over;
    if (!more && !over) await new Promise((done) => setTimeout(done, part.failed ? AGAIN : PAUSE));
  }
  ended();
}

async function read(offset) {
  try {
    const headers = { Accept: "application/json" };
    const signal = AbortSignal.timeout(LIMIT);
    const response = await fetch(`${box().dataset.source}?offset=${offset}`, { headers, signal });
    const answer = await response.json();
    tell(answer.error ? `Not read: ${answer.error.message}` : "");
    return answer.error ? { failed: true } : answer;
  } catch {
    tell("Not read; trying again.");
    return { failed: true };
  }
}

function append(more) {
  const follow = atEnd();
  text().append(...more.split(/(?<=\n)/));
  while (text().childNodes.length > KEPT) text().firstChild.remove();
  if (follow) toEnd();
}

function tell(problem) {
  const place = box().querySelector(".problem");
  if (place.textContent !== problem) place.textContent = problem;
}

const atEnd = () => box().scrollHeight - box().scrollTop - box().clientHeight < NEAR;

function toEnd() {
  box().scrollTop = box().scrollHeight;
}
