// Runs once per page, with `element` and `trigger` of gr.HTML.

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("select", { index: Number(button.dataset.index) });
});
