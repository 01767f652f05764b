// Runs before any other script of the page, with `tag`, its language, and `words`: Gradio's own that are not translated.

// Gradio takes the words that it has in several languages by the browser's: let it be the page's.
Object.defineProperty(navigator, "language", { get: () => tag });
Object.defineProperty(navigator, "languages", { get: () => [tag] });

const NAMES = ["aria-label", "alt", "title", "placeholder"];

function translateName(node, name) {
  const text = words[node.getAttribute(name)];
  if (text && text !== node.getAttribute(name)) node.setAttribute(name, text);
}

function translate(node) {
  if (node.nodeType === Node.TEXT_NODE) {
    const [, start, rest] = /^(\D*)(.*)$/s.exec(node.data); // "queue: 2/3"
    const text = words[start.trim()];
    if (text && text !== start.trim()) node.data = rest ? `${text} ${rest}` : text;
  } else if (node.nodeType === Node.ELEMENT_NODE) {
    for (const name of NAMES) translateName(node, name);
    node.childNodes.forEach(translate);
  }
}

new MutationObserver((records) => {
  for (const { type, target, attributeName, addedNodes } of records) {
    if (type === "attributes") translateName(target, attributeName);
    else if (type === "characterData") translate(target);
    else addedNodes.forEach(translate);
  }
}).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: NAMES });
