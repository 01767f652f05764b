// Other parameters of the address stay, such as ?__theme=dark.
// Runs once per page, with `element` of gr.HTML.

for (const link of element.querySelectorAll("a")) {
  const parameters = new URLSearchParams(location.search);
  parameters.set("lang", link.dataset.language);
  link.search = parameters;
}
