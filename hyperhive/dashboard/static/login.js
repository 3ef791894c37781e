// A link `/login#CODE` logs in by itself. What follows # is never sent to a server by a browser.

export function pasteCode() {
  const form = document.getElementById("login");
  const code = location.hash.slice(1);
  if (!form || !code) return;
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.requestSubmit();
}
