// What every model makes of the drawing, which is the value. Runs once per page, with `element`, `props`, `server` and
// `watch` of gr.HTML.
//
// By `server.picture_of`, which answers each call, and not by an event: all events of a page come through one stream,
// and where that closes as the next event begins, Gradio drops what was on its way without a word.

const AGAIN_MS = 5000; // so long after a call that was not answered, or by a server with too many others

const lost = { note: props.lost, again: true };
const figures = element.querySelectorAll("figure");
const models = props.models.map(({ alt }, index) => ({
  index,
  figure: figures[index],
  image: Object.assign(document.createElement("img"), { alt }),
  milliseconds: 0,
}));
let answered = null;
let busy = false;
let again = null;

function show({ figure, image }, { src, note }) {
  figure.querySelector("p").textContent = note ?? "";
  if (note) return image.remove();
  image.src = src;
  if (!image.isConnected) figure.querySelector("figcaption").after(image);
}

// Latest wins: what is drawn while one drawing is translated waits, and only the newest of that is asked for.
async function translate() {
  if (busy) return;
  busy = true;
  clearTimeout(again);
  while (props.value && props.value.png !== answered) {
    const { png } = props.value;
    let missing = false;
    // The quicker model first: each alone uses all cores, and so the other one comes no later.
    for (const model of models.sort((one, other) => one.milliseconds - other.milliseconds)) {
      const started = performance.now();
      const answer = (await server.picture_of({ model: model.index, png })) ?? lost;
      model.milliseconds = performance.now() - started;
      missing ||= Boolean(answer.again);
      show(model, answer);
    }
    if (missing) {
      again = setTimeout(translate, AGAIN_MS);
      break;
    }
    answered = png;
  }
  busy = false;
}

watch("value", translate);
