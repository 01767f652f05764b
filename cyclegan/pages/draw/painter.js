// The painter: its value is the drawing as a PNG in exactly the palette's colours; `input` fires as one draws, and
// `server.facade_of` gives the facade of a seed. Runs once per page, with `element`, `trigger`, `props` and `server` of
// gr.HTML; painter_drawing.js stands before it.

const { labels, palettes, classes, examples } = props;
const [palette] = palettes;
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, key) => values[key]);
const find = (selector) => element.querySelector(selector);
const canvas = find("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const image = context.createImageData(SIDE, SIDE);
const mark = find(".mark");
const seed = find(".seed input");

const GRID = 8; // pixels that a snapped edge lies on: windows line up, and a house takes a few dozen of them
const UNDO_STEPS = 100;
const REST_MS = 80; // so long a pointer rests before what it has drawn is translated,
const WAIT_MS = 600; // or so long it has moved: each translation in work delays that of the end of the stroke
const LABELS_SHARE = 0.4; // as facades.py

let drawing = new Uint8Array(SIDE * SIDE); // what is done
let shown = drawing; // the same, but for a stroke under way
let undo = [];
let redo = [];
let stroke = null; // { from, last, pointer }: under way, by a pointer or by keys
let cursor = { x: SIDE / 2, y: SIDE / 2 };
let sent = null;
let sentAt = 0;
let resting = null;
let changes = 0; // counted, so that what was asked for before the latest one, and comes after it, is left out

const tool = () => find("[name=painter-tool]:checked").value;
const chosen = () => Number(find("[name=painter-class]:checked").value);
const size = () => Number(find(".size input").value);
const grid = () => (find(".snap input").checked ? GRID : 1);

// --- what is on the screen ---

function show() {
  paintClasses(shown, palette, image);
  context.putImageData(image, 0, 0);
  // Not `disabled`: the keyboard would lose its place on the page with the last step.
  find("[data-do=undo]").setAttribute("aria-disabled", String(!undo.length));
  find("[data-do=redo]").setAttribute("aria-disabled", String(!redo.length));
}

function showMark() {
  const box =
    tool() === "brush" ? brushAt(cursor, size()) : boxBetween(stroke?.from ?? cursor, cursor, tool() === "box" ? grid() : 1);
  const percent = (value) => `${(100 * value) / SIDE}%`;
  mark.style.left = percent(box.left);
  mark.style.top = percent(box.top);
  mark.style.width = percent(box.right - box.left);
  mark.style.height = percent(box.bottom - box.top);
}

function say(text) {
  find(".said").textContent = text;
}

// --- what is sent ---

function send() {
  clearTimeout(resting);
  const png = canvas.toDataURL("image/png");
  if (png === sent) return;
  [sent, sentAt] = [png, performance.now()];
  props.value = { png };
  trigger("input");
}

function sendSoon() {
  clearTimeout(resting);
  if (performance.now() - sentAt > WAIT_MS) send();
  else resting = setTimeout(send, REST_MS);
}

// --- what is drawn ---

function replace(indices) {
  changes += 1;
  undo = [...undo.slice(1 - UNDO_STEPS), drawing];
  redo = [];
  drawing = shown = indices;
  show();
  send();
}

function step(from, to) {
  if (!from.length) return;
  changes += 1;
  to.push(drawing);
  drawing = shown = from.pop();
  show();
  send();
}

function begin(point, pointer) {
  cursor = point;
  stroke = { from: point, last: point, pointer };
  sentAt = performance.now(); // a quick stroke is sent once, when it is done
  if (tool() === "fill") {
    shown = drawing.slice();
    floodFill(shown, point, chosen());
    return finish();
  }
  draw(point);
}

function draw(...points) {
  cursor = points.at(-1);
  if (tool() === "box") {
    shown = drawing.slice();
    fillBox(shown, boxBetween(stroke.from, cursor, grid()), chosen());
  } else {
    if (shown === drawing) shown = drawing.slice();
    for (const point of points) {
      brushLine(shown, stroke.last, point, size(), chosen());
      stroke.last = point;
    }
  }
  show();
  showMark();
  sendSoon();
}

function finish() {
  stroke = null;
  if (shown.some((index, pixel) => index !== drawing[pixel])) replace(shown);
  else cancel();
  showMark();
}

function cancel() {
  stroke = null;
  shown = drawing;
  show();
  showMark();
  send();
}

// --- by mouse, pen and finger ---

function pointAt(event) {
  const area = canvas.getBoundingClientRect();
  const at = (position, length) => Math.min(SIDE - 1, Math.max(0, Math.floor((position * SIDE) / length)));
  return { x: at(event.clientX - area.left, area.width), y: at(event.clientY - area.top, area.height) };
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || stroke?.pointer !== undefined) return; // a second finger draws nothing
  canvas.setPointerCapture(event.pointerId);
  begin(pointAt(event), event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (stroke?.pointer === event.pointerId) {
    const between = event.getCoalescedEvents?.() ?? []; // where a quick hand was since the last event
    draw(...between.map(pointAt), pointAt(event));
  } else if (!stroke) {
    cursor = pointAt(event);
    showMark();
  }
});
canvas.addEventListener("pointerup", (event) => {
  if (stroke?.pointer === event.pointerId) finish();
});
canvas.addEventListener("pointercancel", (event) => {
  if (stroke?.pointer === event.pointerId) cancel();
});

// --- by keys ---

const KEYS = "1234567890-="; // a class each, in their order
const TOOL_KEYS = { b: "box", p: "brush", f: "fill" };
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function move([across, down], fine) {
  const pace = fine ? 1 : GRID;
  const within = (value) => Math.min(SIDE - 1, Math.max(0, value));
  const point = { x: within(cursor.x + pace * across), y: within(cursor.y + pace * down) };
  if (stroke) draw(point);
  cursor = point;
  showMark();
  say(fill(labels.at, { ...cursor, name: classes[shown[cursor.y * SIDE + cursor.x]].name }));
}

function check(name, value) {
  const input = find(`[name=${name}][value="${value}"]`);
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

element.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.target.matches("[type=number]")) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) step(undo, redo);
  else if (key === "y" || key === "z") step(redo, undo);
  else return;
  event.preventDefault();
});
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (WAYS[event.key]) move(WAYS[event.key], event.shiftKey);
  else if ((key === " " || key === "enter") && !event.repeat) stroke ? finish() : begin(cursor);
  else if (key === "escape" && stroke) cancel();
  else if (KEYS.includes(key)) check("painter-class", KEYS.indexOf(key));
  else if (TOOL_KEYS[key]) check("painter-tool", TOOL_KEYS[key]);
  else return;
  event.preventDefault();
});
canvas.addEventListener("blur", () => {
  if (stroke && stroke.pointer === undefined) cancel();
});

// --- start, open, save ---

function decode(picture) {
  const scratch = document.createElement("canvas");
  [scratch.width, scratch.height] = [SIDE, SIDE];
  const scaled = scratch.getContext("2d");
  scaled.imageSmoothingEnabled = false; // would mix new colours
  scaled.fillStyle = "white";
  scaled.fillRect(0, 0, SIDE, SIDE);
  scaled.drawImage(picture, 0, 0, SIDE, SIDE);
  return scaled.getImageData(0, 0, SIDE, SIDE).data;
}

// Puts what is still to come in the place of the drawing, unless that has changed meanwhile.
async function replaceBy(coming) {
  const number = ++changes;
  const { indices, said = "" } = await coming;
  if (number !== changes || stroke) return;
  say(said);
  if (indices) replace(indices);
}

async function load(src) {
  const picture = new Image();
  picture.src = src;
  await picture.decode();
  return readClasses(decode(picture), palette).indices;
}

async function read(file) {
  let pixels;
  try {
    pixels = decode(await createImageBitmap(file));
  } catch {
    return { said: labels.unreadable };
  }
  const [best] = palettes.map((each) => readClasses(pixels, each)).sort((a, b) => b.share - a.share);
  return best.share < LABELS_SHARE ? { said: labels.photo } : best;
}

async function facade() {
  seed.value = Math.min(Number(seed.max), Math.max(0, Math.floor(Number(seed.value)) || 0));
  const { png, refusal } = (await server.facade_of(Number(seed.value))) ?? {};
  return png ? { indices: await load(png) } : { said: refusal ?? labels.lost };
}

function save() {
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = "labels.png";
  link.click();
}

const ACTIONS = {
  undo: () => step(undo, redo),
  redo: () => step(redo, undo),
  clear: () => {
    replace(new Uint8Array(SIDE * SIDE));
    check("painter-class", 1); // a facade comes first: all else stands on it
  },
  random: () => {
    seed.value = Math.floor(Math.random() * 10000);
    replaceBy(facade());
  },
  open: () => find("[type=file]").click(),
  save,
};
for (const [name, act] of Object.entries(ACTIONS)) {
  const button = find(`[data-do=${name}]`);
  button.textContent = labels[name];
  button.addEventListener("click", act);
}
seed.addEventListener("change", () => replaceBy(facade()));
find("[type=file]").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be opened again
  if (file) replaceBy(read(file));
});

// --- the page ---

for (const node of element.querySelectorAll("[data-text]")) node.textContent = labels[node.dataset.text];
canvas.setAttribute("aria-label", labels.canvas);
find(".tools").setAttribute("aria-label", labels.tools);
classes.forEach(({ name, hint }, index) => {
  const label = document.createElement("label");
  label.title = hint;
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "painter-class", value: index, checked: index === 2 });
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.background = `rgb(${palette[index]})`;
  label.append(input, swatch, name);
  find(".classes").append(label);
});
examples.forEach(({ src, alt }) => {
  const button = document.createElement("button");
  const image = document.createElement("img");
  Object.assign(image, { src, alt });
  button.type = "button";
  button.append(image);
  button.addEventListener("click", () => replaceBy(load(src).then((indices) => ({ indices }))));
  find(".examples").append(button);
});
element.addEventListener("change", ({ target }) => {
  if (target.name === "painter-class") say(fill(labels.hint, classes[target.value]));
  else if (target.name === "painter-tool") say(target.closest("label").textContent.trim());
  find(".size").hidden = tool() !== "brush";
  find(".snap").hidden = tool() !== "box";
  showMark();
});
find(".size").hidden = true;

load(props.value.png).then((indices) => {
  drawing = shown = indices;
  show();
  showMark();
  // Only who opens the page has it translated.
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    send();
  }, { rootMargin: "10000px" });
  observer.observe(element);
});
