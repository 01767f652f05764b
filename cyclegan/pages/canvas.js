// The frame stack: keeps every picture it is sent, and draws the ones of the chosen epoch without asking the server.
// Runs once per page, with `element`, `trigger`, `props` and `watch` of gr.HTML; curves.js stands before it.

const labels = props.labels;
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, key) => values[key]);
const find = (selector) => element.querySelector(selector);
const slider = find(".epoch");
const play = find(".play");
const speed = find(".speed select");
find(".speed span").textContent = labels.speed;
slider.setAttribute("aria-label", labels.slider);
speed.setAttribute("aria-label", labels.speed);

const FULL_RUN_MS = 10000; // a run plays in about this time at 1x, however many epochs it has
const PATIENCE_MS = 15000; // without a frame for so long, they are asked for again, once
const STEP_MS = { shortest: 40, longest: 700 };

let plan = { token: null, figures: [] };
let epochs = [];
let views = []; // a view per figure of the plan: its canvas, caption and the pictures that have come
let curves = [];
let touched = false; // the visitor has moved the slider: it no longer follows the frames
let asked = false; // `wanted` was fired for this plan
let askedAgain = false; // and once more: Gradio may cancel the fill together with that of the picture before
let late = null;
let isOpen = false;
let timer = null;

function show(position) {
  slider.value = position;
  const epoch = epochs[position];
  const text = epoch === undefined ? "" : fill(labels.epoch, { epoch });
  find(".label").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  for (const view of views) drawView(view, epoch);
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
  view.caption.textContent = !picture ? labels.nothing : shown === epoch ? "" : fill(labels.earlier, { epoch: shown });
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
  return { figure, canvas, caption: text, pictures: new Map() };
}

const total = () => views.reduce((sum, view) => sum + view.figure.epochs.length, 0);
const come = () => views.reduce((sum, view) => sum + view.pictures.size, 0);

function report() {
  const [done, all] = [come(), total()];
  element.dataset.done = String(done >= all);
  const text = !all ? labels.choose : done < all ? labels.progress : labels.ready;
  find(".status").textContent = fill(text, { done, total: all });
}

function start(next) {
  asked = askedAgain = false;
  if (next.token !== plan.token) {
    pause();
    touched = false;
    plan = next;
    epochs = [...new Set(plan.figures.flatMap((figure) => figure.epochs))].sort((a, b) => a - b);
    find(".figures").replaceChildren();
    views = plan.figures.map(makeView);
    find(".note").textContent = plan.note;
    slider.max = Math.max(0, epochs.length - 1);
    for (const control of [slider, play, speed]) control.disabled = epochs.length < 2;
    show(epochs.length - 1);
    for (const frame of plan.frames) add(plan.token, frame);
  }
  ask();
}

function ask() {
  report();
  clearTimeout(late);
  if (come() >= total()) return;
  if (isOpen && !asked) {
    asked = true;
    trigger("wanted");
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
  if (plan.follow && !touched && !timer) show(epochs.indexOf(epoch));
  else drawView(views[model], epochs[slider.value]);
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

play.addEventListener("click", () => (timer ? pause() : run()));
slider.addEventListener("input", () => choose(+slider.value));
speed.addEventListener("change", () => {
  if (!timer) return;
  pause();
  run();
});
find(".figures").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
  if (step) choose(+slider.value + step);
  else if (event.key === " ") play.click();
  else return;
  event.preventDefault();
});

function pickEpoch(wanted) {
  const distances = epochs.map((epoch) => Math.abs(epoch - wanted));
  choose(distances.indexOf(Math.min(...distances)));
}

function receive() {
  const message = props.value;
  if (message?.kind === "plan") start(message);
  else if (message?.kind === "frame") add(message.token, message.frame);
}

pause();
const axes = commonAxes(props.curves);
curves = props.curves.map((series, index) => {
  const title = fill(labels.losses, { title: props.value.figures[index].title });
  return drawCurves(find(".curves"), title, labels.scale, series, axes, pickEpoch);
});
watch("value", receive);
receive();
// The margin: a tab that is open counts, wherever the page is scrolled to.
const observer = new IntersectionObserver(([entry]) => {
  isOpen = entry.isIntersecting;
  ask();
}, { rootMargin: "10000px" });
observer.observe(element);
