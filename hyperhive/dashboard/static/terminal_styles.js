// xterm.js writes <style> elements and style attributes, which the page's policy forbids, as it
// should. The same rules are let in where scripts may put them: constructed style sheets and the
// style property of elements (CSSOM). So the policy stays as strict here as everywhere.
//
// On the document itself: given another by `documentOverride`, xterm.js asks it for some elements
// and the page's own for others.

export function admitStyles() {
  document.createElement = (name, ...more) => {
    const element = Document.prototype.createElement.call(document, name, ...more);
    if (name === "style") return sheet();
    if (name === "span") element.setAttribute = setAttribute;
    return element;
  };
}

function setAttribute(name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}

// An element that stands where the <style> would, and gives its text to a sheet of its own.
function sheet() {
  const rules = new CSSStyleSheet();
  const place = document.createElement("span");
  place.hidden = true;
  Object.defineProperty(place, "textContent", { set: (text) => rules.replaceSync(text) });
  place.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== rules);
    Element.prototype.remove.call(place);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, rules];
  return place;
}
