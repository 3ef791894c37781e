// Sends every form, and shows what came of it beside its button. There is no other way a form is
// sent by script, and no other place where a button is disabled: whatever happens in between, the
// `finally` below gives it back, at the latest when the time limit is over.

const LIMIT = 20_000; // milliseconds
const sending = new Set();

export function watchForms(done) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    event.preventDefault();
    if (!sending.has(form)) send(form, event.submitter, done);
  });
}

async function send(form, button, done) {
  const url = button?.hasAttribute("formaction") ? button.formAction : form.action;
  const body = new URLSearchParams(new FormData(form));
  const focused = document.activeElement;
  sending.add(form);
  try {
    setBusy(form, true);
    show(form, "");
    accepted(form, body, await post(url, body));
  } catch (problem) {
    refused(form, problem);
  } finally {
    sending.delete(form);
    setBusy(form, false);
    if (document.activeElement === document.body && focused?.isConnected) focused.focus();
  }
  done();
}

export const isSending = (form) => sending.has(form);

function setBusy(form, busy) {
  form.setAttribute("aria-busy", busy);
  for (const control of form.elements) {
    if (control.type === "submit") control.disabled = busy;
  }
}

class Refusal extends Error {
  constructor(message, answer = {}) {
    super(message);
    this.field = answer.error?.field;
    this.key = answer.key;
  }
}

async function post(url, body) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), LIMIT);
  try {
    const headers = { Accept: "application/json" };
    const signal = abort.signal;
    const response = await fetch(url, { method: "POST", body, headers, signal, redirect: "error" });
    const answer = await response.json().catch((problem) => {
      if (problem instanceof SyntaxError) return {}; // not ours: a proxy's page, say
      throw problem;
    });
    if (response.ok && answer.result !== undefined) return answer;
    throw new Refusal(answer.error?.message ?? `The server answered ${response.status}.`, answer);
  } catch (problem) {
    if (problem instanceof Refusal) throw problem;
    const what = abort.signal.aborted
      ? `There was no answer within ${LIMIT / 1000} seconds.`
      : "The connection failed.";
    throw new Refusal(`${what} It may have been done all the same: look before you repeat it.`);
  } finally {
    clearTimeout(timer);
  }
}

function accepted(form, body, answer) {
  if (answer.go) {
    location.assign(answer.go);
    return;
  }
  tell(answer.result, false);
  setKey(form, answer.key);
  // What was typed since is a next message.
  if (unchanged(form, body)) form.reset();
}

function unchanged(form, body) {
  const now = new URLSearchParams(new FormData(form));
  now.delete("key");
  const sent = new URLSearchParams(body);
  sent.delete("key");
  return now.toString() === sent.toString();
}

function refused(form, problem) {
  // The page may have changed meanwhile, and the form be gone from it.
  tell(form.isConnected ? "" : `Not done: ${problem.message}`, true);
  show(form, problem.message);
  setKey(form, problem.key);
  const control = problem.field && form.elements.namedItem(problem.field);
  if (control instanceof HTMLElement) {
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }
}

// An attempt whose end is not known is repeated under its own key, so that it counts once.
function setKey(form, key) {
  const input = form.elements.namedItem("key");
  if (input && key) input.value = key;
}

function tell(text, refused) {
  const result = document.getElementById("result");
  result.textContent = text;
  result.classList.toggle("refused", refused);
}

function show(form, text) {
  form.querySelector(".outcome").textContent = text;
  for (const control of form.elements) control.removeAttribute("aria-invalid");
}
