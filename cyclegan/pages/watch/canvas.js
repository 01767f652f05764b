// The frame stack: keeps every picture it is sent, and draws the ones of the chosen epoch without asking the server.
// Runs once per page, with `element`, `trigger`, `props` and `watch` of gr.HTML; curves.js stands before it.

const labels = props.labels;
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, key) => values[key]);
const find = (selector) => element.querySelector(selector);
const slider = find(".epoch");
const play = find(".play");
const speed = find(".speed select");
const jump = find(".jump select");
find(".speed span").textContent = labels.speed;
find(".jump span").textContent = labels.jump;
find(".figures").setAttribute("aria-label", labels.figures);
slider.setAttribute("aria-label", labels.slider);
speed.setAttribute("aria-label", labels.speed); // else its options would be part of its name
jump.setAttribute("aria-label", labels.jump);

const FULL_RUN_MS = 10000; // a run plays in about this time at 1x, however many epochs it has
const PATIENCE_MS = 15000; // without a frame for so long, they are asked for again, once
const STEP_MS = { shortest: 40, longest: 700 };

let plan = { token: null, figures: [] };
let epochs = [];
let views = []; // a view per figure of the plan: its canvas, caption and the pictures that have come
let plots = []; // of every model, as they were sent last
let curves = []; // what is drawn of them
let touched = false; // the visitor has moved the slider: it no longer follows the frames
let atBest = false; // every figure shows its own best epoch, as long as nobody has chosen another
let asked = false; // `wanted` was fired for this plan
let askedAgain = false; // and once more: Gradio may cancel the fill together with that of the picture before
let late = null;
let isOpen = false;
let timer = null;
let saving = false;

/** The epoch that a figure opens with: its best one, or else the last. */
const openingOf = (figure) => (figure.epochs.includes(figure.best) ? figure.best : figure.epochs.at(-1));

function showBest() {
  const first = plan.figures.find((figure) => figure.epochs.includes(figure.best));
  atBest = Boolean(first);
  show(first ? epochs.indexOf(first.best) : epochs.length - 1, atBest);
}

function show(position, best = false) {
  atBest = best;
  slider.value = position;
  const epoch = epochs[position];
  const text = epoch === undefined ? "" : fill(labels.epoch, { epoch });
  find(".label").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  jump.value = [...jump.options].some((option) => option.value === String(epoch)) ? String(epoch) : "";
  for (const view of views) drawView(view, atBest ? openingOf(view.figure) : epoch);
  for (const curve of curves) curve.move(epoch);
}

function drawView(view, epoch) {
  const shown = view.figure.epochs.findLast((at) => at <= epoch && view.pictures.has(at));
  const picture = view.pictures.get(shown);
  view.canvas.hidden = !picture;
  if (picture) {
    if (view.canvas.width !== picture.naturalWidth) view.canvas.width = picture.naturalWidth;
    if (view.canvas.height !== picture.naturalHeight) view.canvas.height = picture.naturalHeight;
    view.canvas.getContext("2d").drawImage(picture, 0, 0);
    view.canvas.setAttribute("aria-label", fill(labels.canvas, { title: view.figure.title, epoch: shown }));
  }
  view.canvas.dataset.epoch = shown ?? "";
  const name = atBest ? `★ ${labels.best} · ${fill(labels.epoch, { epoch: shown })}` : `★ ${labels.best}`;
  const best = shown !== undefined && shown === view.figure.best ? name : "";
  view.caption.textContent = !picture ? labels.nothing : shown === epoch ? best : fill(labels.earlier, { epoch: shown });
}

function makeView(figure) {
  const node = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const title = document.createElement("strong");
  const text = document.createElement("span");
  const canvas = document.createElement("canvas");
  title.textContent = figure.title;
  canvas.setAttribute("role", "img");
  canvas.hidden = true;
  caption.append(title, " ", text);
  node.append(caption, canvas);
  node.hidden = !figure.epochs.length;
  find(".figures").append(node);
  return { node, figure, canvas, caption: text, pictures: new Map() };
}

const wantedOf = (view) => view.figure.epochs.filter((epoch) => !view.pictures.has(epoch));
const missing = () => views.flatMap((view, model) => wantedOf(view).map((epoch) => [model, epoch]));
const total = () => views.reduce((sum, view) => sum + view.figure.epochs.length, 0);

function report() {
  const all = total();
  const done = all - missing().length;
  element.dataset.done = String(done >= all);
  const nothing = plan.token ? labels.waiting : labels.choose;
  const text = saving ? labels.saving : !all ? nothing : done < all ? labels.progress : labels.ready;
  find(".status").textContent = fill(text, { done, total: all });
  for (const button of saves) button.disabled = saving || !all || done < all;
}

/** A new picture, or the one that is shown, of which there are more epochs by now. */
function start(next) {
  asked = askedAgain = false;
  const isNew = next.token !== plan.token;
  const last = +slider.value >= epochs.length - 1;
  const epoch = epochs[slider.value];
  // A run whose folder is gone has no epochs any more: what has come of it stays.
  const stays = (figure, index) => !isNew && !figure.epochs.length && views[index].pictures.size;
  plan = next;
  plan.figures = plan.figures.map((figure, index) => (stays(figure, index) ? views[index].figure : figure));
  epochs = [...new Set(plan.figures.flatMap((figure) => figure.epochs))].sort((a, b) => a - b);
  if (isNew) {
    pause();
    touched = false;
    find(".figures").replaceChildren();
    views = plan.figures.map(makeView);
  } else {
    views.forEach((view, index) => {
      view.figure = plan.figures[index];
      view.node.hidden = !view.figure.epochs.length;
    });
  }
  find(".note").textContent = plan.note;
  listJumps();
  drawCurves();
  slider.max = Math.max(0, epochs.length - 1);
  for (const control of [slider, play, speed, jump]) control.disabled = epochs.length < 2;
  if (isNew) showBest();
  else show(last && !timer ? epochs.length - 1 : Math.max(0, epochs.indexOf(epoch)), atBest);
  for (const frame of plan.frames) add(plan.token, frame);
  ask();
}

/** The epochs worth a look: the best of each model, and those whose networks are kept. */
function listJumps() {
  const best = plan.figures.filter((figure) => epochs.includes(figure.best));
  const kept = [...new Set(plan.figures.flatMap((figure) => figure.kept))].filter((epoch) => epochs.includes(epoch));
  jump.replaceChildren(new Option(labels.choice, "", true, true));
  jump.options[0].disabled = true;
  for (const { title, best: epoch } of best) jump.add(new Option(fill(labels.best_of, { title, epoch }), epoch));
  for (const epoch of kept.sort((a, b) => a - b)) jump.add(new Option(fill(labels.epoch, { epoch }), epoch));
}

function ask() {
  report();
  clearTimeout(late);
  if (!missing().length) return;
  if (isOpen && !asked) {
    asked = true;
    trigger("wanted", { frames: missing() });
  }
  if (asked && !askedAgain) {
    late = setTimeout(() => {
      askedAgain = true;
      asked = false;
      ask();
    }, PATIENCE_MS);
  }
}

async function add(token, { model, epoch, src }) {
  const picture = new Image();
  picture.src = src;
  await picture.decode();
  if (token !== plan.token) return; // of an earlier picture, or the plan changed while it was decoded
  views[model].pictures.set(epoch, picture);
  ask();
  if (plan.follow && !touched && !timer) missing().length ? show(epochs.indexOf(epoch)) : showBest();
  else drawView(views[model], atBest ? openingOf(views[model].figure) : epochs[slider.value]);
}

function pause() {
  clearInterval(timer);
  timer = null;
  play.textContent = `▶ ${labels.play}`;
}

function run() {
  touched = true;
  if (+slider.value >= epochs.length - 1) show(0);
  const step = Math.min(STEP_MS.longest, Math.max(STEP_MS.shortest, FULL_RUN_MS / epochs.length));
  timer = setInterval(() => {
    show(+slider.value + 1);
    if (+slider.value >= epochs.length - 1) pause();
  }, step / speed.value);
  play.textContent = `❚❚ ${labels.pause}`;
}

function choose(position) {
  touched = true;
  pause();
  show(Math.min(epochs.length - 1, Math.max(0, position)));
}

function pickEpoch(wanted) {
  const distances = epochs.map((epoch) => Math.abs(epoch - wanted));
  choose(distances.indexOf(Math.min(...distances)));
}

play.addEventListener("click", () => (timer ? pause() : run()));
slider.addEventListener("input", () => choose(+slider.value));
jump.addEventListener("change", () => pickEpoch(+jump.value));
speed.addEventListener("change", () => {
  if (!timer) return;
  pause();
  run();
});
element.addEventListener("keydown", (event) => {
  if (event.target.matches("select, button") || event.altKey || event.ctrlKey || event.metaKey || epochs.length < 2) return;
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
  if (step) choose(+slider.value + step);
  else if (event.key === " ") play.click();
  else return;
  event.preventDefault();
});

/** Draw the curves of the runs that have pictures here, or of all while none has: those of another direction, which may
 * have been trained for longer, would stretch the axis. */
function drawCurves() {
  plots = plan.plots.map((each, index) => (each.length ? each : plots[index] ?? []));
  find(".curves").replaceChildren();
  const marked = plots.flatMap((each, index) => {
    const { epochs: own, best } = plan.figures[index];
    return own.length || !epochs.length ? each.map((plot) => ({ ...plot, best })) : [];
  });
  const axes = commonAxes(marked);
  curves = marked.map((plot) => drawPlot(find(".curves"), plot, axes, labels)).filter(Boolean);
  for (const curve of curves) {
    curve.node.addEventListener("pointerdown", (event) => {
      curve.node.setPointerCapture(event.pointerId);
      pickEpoch(curve.epochAt(event));
    });
    curve.node.addEventListener("pointermove", (event) => event.buttons && pickEpoch(curve.epochAt(event)));
  }
}

const saves = props.formats.map((format) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = fill(labels.save, { format: format.toUpperCase() });
  button.addEventListener("click", () => {
    saving = true;
    report();
    trigger("save", { format });
  });
  find(".save").append(button);
  return button;
});

/** The movie that was asked for, straight to the visitor's downloads; without `src` it could not be made. */
async function keep({ name, src }) {
  saving = false;
  report();
  if (!src) return;
  const url = URL.createObjectURL(await (await fetch(src)).blob());
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function receive() {
  const message = props.value;
  if (message?.kind === "plan") start(message);
  else if (message?.kind === "frame") add(message.token, message.frame);
  else if (message?.kind === "movie") keep(message);
}

pause();
watch("value", receive);
receive();
// The margin: a tab that is open counts, wherever the page is scrolled to.
const observer = new IntersectionObserver(([entry]) => {
  isOpen = entry.isIntersecting;
  ask();
}, { rootMargin: "10000px" });
observer.observe(element);
