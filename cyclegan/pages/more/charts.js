// The curves of one run at a time, with zoom: drag over a plot, or type the first and the last epoch.
// Runs once per page, with `element`, `props` and `watch` of gr.HTML; curves.js stands before it.

const labels = props.labels;
const find = (selector) => element.querySelector(selector);
const run = find(".run select");
const from = find(".from input");
const to = find(".to input");
const whole = find(".whole");
for (const name of ["run", "from", "to"]) find(`.${name} span`).textContent = labels[name];
run.setAttribute("aria-label", labels.run); // else its options would be part of its name
whole.textContent = labels.whole;
find(".hint").textContent = labels.hint;

let shown = { plots: [], best: null };
let full = { first: 1, last: 1, names: [] };
let zoom = null; // [first, last], or null for all epochs
let plots = [];

function list() {
  const chosen = run.value;
  run.replaceChildren(...props.value.map(({ title }) => new Option(title, title)));
  if (props.value.some(({ title }) => title === chosen)) run.value = chosen;
}

function open() {
  shown = props.value.find(({ title }) => title === run.value) ?? { plots: [], best: null };
  full = commonAxes(shown.plots);
  draw();
}

function draw() {
  const [first, last] = zoom ?? [full.first, full.last];
  find(".curves").replaceChildren();
  plots = shown.plots
    .map((plot) => drawPlot(find(".curves"), { ...plot, best: shown.best }, { ...full, first, last }, labels))
    .filter(Boolean);
  for (const plot of plots) {
    plot.move(last);
    listen(plot);
  }
  const empty = !Number.isFinite(full.first);
  find(".hint").textContent = empty ? labels.empty : shown.hint;
  [from.value, to.value] = empty ? ["", ""] : [first, last];
  for (const field of [from, to]) Object.assign(field, { min: full.first, max: full.last, disabled: empty });
  whole.disabled = !zoom;
}

function zoomTo(first, last) {
  [first, last] = [Math.min(first, last), Math.max(first, last)].map((epoch) =>
    Math.min(full.last, Math.max(full.first, Math.round(epoch))));
  zoom = last > first && (first > full.first || last < full.last) ? [first, last] : null;
  draw();
}

function listen(plot) {
  let start = null;
  plot.node.addEventListener("pointerdown", (event) => {
    plot.node.setPointerCapture(event.pointerId);
    start = plot.epochAt(event);
  });
  plot.node.addEventListener("pointermove", (event) => {
    const epoch = plot.epochAt(event);
    if (start !== null) plot.band(start, epoch);
    for (const each of plots) each.move(epoch);
  });
  plot.node.addEventListener("pointerup", (event) => {
    const [first, last] = [start, plot.epochAt(event)];
    start = null;
    if (Math.abs(last - first) >= 1) zoomTo(first, last);
    else plot.band(0, 0);
  });
  plot.node.addEventListener("dblclick", () => zoomTo(full.first, full.last));
}

run.addEventListener("change", () => {
  zoom = null;
  open();
});
for (const field of [from, to]) {
  field.addEventListener("change", () => {
    const wanted = [+from.value || full.first, +to.value || full.last];
    if (wanted[0] < wanted[1]) zoomTo(...wanted);
    else draw();
  });
}
whole.addEventListener("click", () => zoomTo(full.first, full.last));

function receive() {
  list();
  open();
}

watch("value", receive);
receive();
