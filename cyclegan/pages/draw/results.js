// What every model makes of the drawing, which is the value. Runs once per page, with `element`, `props`, `server` and
// `watch` of gr.HTML.
//
// By `server.picture_of`, which answers each call, and not by an event: all events of a page come through one stream,
// and where that closes as the next event begins, Gradio drops what was on its way without a word.

const models = props.models.map(({ name, title, alt }) => ({
  title,
  figure: element.querySelector(`#drawn-${CSS.escape(name)}`),
  image: Object.assign(document.createElement("img"), { alt }),
  milliseconds: 0,
}));
let answered = null;
let busy = false;

function show({ figure, image }, { src, note }) {
  figure.querySelector("p").textContent = note ?? "";
  if (note) image.remove();
  else {
    image.src = src;
    figure.querySelector("figcaption").after(image);
  }
}

// Latest wins: what is drawn while one drawing is translated waits, and only the newest of that is asked for.
async function translate() {
  if (busy) return;
  busy = true;
  while (props.value && props.value.png !== answered) {
    const { png } = props.value;
    // The quicker model first: each alone uses all cores, and so the other one comes no later.
    for (const model of models.sort((one, other) => one.milliseconds - other.milliseconds)) {
      const started = performance.now();
      show(model, (await server.picture_of({ method: model.title, png })) ?? { note: props.lost });
      model.milliseconds = performance.now() - started;
    }
    answered = png;
  }
  busy = false;
}

watch("value", translate);
