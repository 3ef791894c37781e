// Keeps the page as it would be if it were loaded now: the stream says that something happened,
// the page is fetched again, and what differs is changed in place.

import { tick } from "./clock.js";
import { coalesced } from "./coalesced.js";
import { isSending } from "./forms.js";
import { growLog } from "./log.js";
import { Idiomorph } from "./vendor/idiomorph.esm.js";

const LIMIT = 20_000; // milliseconds
const REOPEN = 5_000;

const main = () => document.getElementById("page");
let seen = Number(main()?.dataset.after);
let stream = null;

export function follow() {
  if (main()?.dataset.after === undefined) return; // a page of no moment: an error, or the login
  if (!window.isSecureContext) {
    say("not live: needs https or a loopback address");
    return;
  }
  document.addEventListener("visibilitychange", connect);
  connect();
}

// A browser has six connections per host for all its tabs: those not looked at give theirs back,
// and go on where they were.
function connect() {
  stream?.close();
  stream = null;
  if (document.visibilityState === "hidden") return;
  stream = new EventSource(`/events?after=${seen}`);
  stream.onopen = () => say("live");
  stream.onmessage = (message) => heard(JSON.parse(message.data));
  stream.addEventListener("reset", (message) => {
    seen = Number(message.lastEventId);
    refreshSoon();
    growLog();
  });
  stream.onerror = () => {
    say("offline, trying again");
    if (stream?.readyState === EventSource.CLOSED) {
      refreshSoon(); // tells whether we are logged out
      setTimeout(connect, REOPEN);
    }
  };
}

function heard(event) {
  seen = event.seq;
  const page = main();
  const { on, agent, onAgent } = page.dataset;
  const mine = agent !== undefined && (event.agent === agent || event.data.from === agent);
  if (mine && event.kind.startsWith("turn_")) growLog();
  if (event.seq <= Number(page.dataset.after)) return; // shown already
  const everyone = event.kind === "storage"; // a notice on every page
  if (everyone || listed(on, event.kind) || (mine && listed(onAgent, event.kind))) refreshSoon();
}

const listed = (words, kind) => (words ?? "").split(" ").includes(kind);

export const refreshSoon = coalesced(refresh);

async function refresh() {
  let response;
  try {
    const has = document.querySelector("[data-shown]")?.dataset.shown ?? "yes"; // is not sent again
    const headers = { "X-Refresh": has, Accept: "text/html" };
    response = await fetch(location.href, { headers, signal: AbortSignal.timeout(LIMIT) });
    if (response.ok) {
      put(new DOMParser().parseFromString(await response.text(), "text/html"));
      return;
    }
  } catch {
    say("offline, trying again");
    return;
  }
  say(response.status === 401 ? "logged out: reload to log in" : "this page is out of date");
}

function put(fresh) {
  document.title = fresh.title;
  // Of what has the focus the content is left alone, too: only of a field may that be so, since a
  // click on any text gives the focus to the whole page.
  const ignoreActiveValue = document.activeElement?.matches("input, textarea, select") ?? false;
  for (const region of document.querySelectorAll("[data-region]")) {
    const next = fresh.getElementById(region.id);
    if (next) Idiomorph.morph(region, next, { ignoreActiveValue, callbacks });
  }
  tick(true);
}

const callbacks = {
  beforeNodeMorphed(old, next) {
    if (!(old instanceof Element)) return true;
    if (old instanceof HTMLDetailsElement) next.open = old.open;
    return !(old.matches("[data-keep]") || isSending(old) || isTyped(old));
  },
  // A form someone is filling in does not vanish under the hands, even when it came too late:
  // except one that, once it is, shows no more what it would do.
  beforeNodeRemoved(old) {
    if (!(old instanceof Element) || old.matches("[data-void]")) return true;
    return ![old, ...old.querySelectorAll("*")].some(isTyped);
  },
};

// Whether the operator changed this field from what the server rendered.
function isTyped(field) {
  if (field instanceof HTMLTextAreaElement) return field.value !== field.defaultValue;
  if (field instanceof HTMLInputElement) {
    return field.type === "hidden"
      ? false
      : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  }
  if (field instanceof HTMLSelectElement) {
    const initial = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, initial);
  }
  return false;
}

function say(text) {
  const status = document.getElementById("live");
  if (status.textContent !== text) status.textContent = text;
  status.dataset.state = text === "live" ? "live" : "off";
}
