// A link `/login#CODE` logs in by itself. What follows # is never sent to a server by a browser.

export function pasteCode() {
  const form = document.getElementById("login");
  if (!form) return;
  paste(form);
  // A link opened where this page is already does not load it anew.
  window.addEventListener("hashchange", () => paste(form));
}

function paste(form) {
  const code = location.hash.slice(1);
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.requestSubmit();
}
