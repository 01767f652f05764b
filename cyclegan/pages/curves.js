// Loss curves as SVG: one plot per model, logarithmic where no loss is negative, with a cursor that the slider moves. All plots have the
// same epochs across, and a loss has the same colour in each.

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 440, height: 170, left: 44, right: 8, top: 8, bottom: 22 };

function svg(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

/** The vertical axis for values: {logarithmic, marks, share(value)}, the share of the height from 0 to 1. It is linear
 * where a value is not positive, as the scores of a Wasserstein critic are. */
function verticalAxis(values) {
  const [smallest, largest] = [Math.min(...values), Math.max(...values)];
  if (smallest > 0) {
    const low = Math.floor(Math.log10(smallest));
    const high = Math.max(low + 1, Math.ceil(Math.log10(largest)));
    const marks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
    return { logarithmic: true, marks, share: (value) => (Math.log10(value) - low) / (high - low) };
  }
  const top = Math.max(0, largest);
  const unit = 10 ** Math.floor(Math.log10(top - smallest || 1));
  const step = [5, 2, 1, 0.5].map((factor) => factor * unit).findLast((each) => (top - smallest) / each <= 5) ?? unit;
  const low = Math.floor(smallest / step);
  const high = Math.max(low + 1, Math.ceil(top / step));
  const marks = Array.from({ length: high - low + 1 }, (_, index) => (low + index) * step);
  return { logarithmic: false, marks, share: (value) => (value / step - low) / (high - low) };
}

function nearestEarlier(points, epoch) {
  return points.findLast(([at]) => at <= epoch) ?? points[0];
}

/** Of the curves that can be shown, those parts that can. */
function drawable(curves) {
  return curves
    .map(({ name, points }) => ({ name, points: points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length);
}

/** What the plots of several models share: the first and last epoch, and the names of all losses. */
function commonAxes(models) {
  const curves = models.flatMap(drawable);
  const epochs = curves.flatMap(({ points }) => points.map(([epoch]) => epoch));
  return { first: Math.min(...epochs), last: Math.max(...epochs), names: [...new Set(curves.map(({ name }) => name))] };
}

/** A plot of `curves` ({name, points}) in `parent`; returns {move(epoch)}, which sets the cursor and the legend. */
function drawCurves(parent, title, scale, curves, { first, last, names }, onPick) {
  curves = drawable(curves);
  if (!curves.length) return { move() {} };

  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const axis = verticalAxis(curves.flatMap(({ points }) => points.map(([, value]) => value)));
  const small = document.createElement("small");
  small.textContent = axis.logarithmic ? scale : "";
  caption.append(title, " ", small);
  const plot = svg("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": title });
  const legend = document.createElement("ul");
  figure.append(caption, plot, legend);
  parent.append(figure);

  const bottom = PLOT.height - PLOT.bottom;
  const span = PLOT.width - PLOT.left - PLOT.right;
  const x = (epoch) => PLOT.left + (span * (epoch - first)) / Math.max(1, last - first);
  const y = (value) => bottom - (bottom - PLOT.top) * axis.share(value);

  for (const mark of axis.marks) {
    const at = y(mark);
    svg("line", { class: "grid", x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: at, y2: at }, plot);
    svg("text", { x: PLOT.left - 6, y: at + 4, "text-anchor": "end" }, plot).textContent = String(+mark.toPrecision(3));
  }
  svg("text", { x: PLOT.left, y: PLOT.height - 5 }, plot).textContent = String(first);
  svg("text", { x: PLOT.width - PLOT.right, y: PLOT.height - 5, "text-anchor": "end" }, plot).textContent = String(last);

  const readings = curves.map(({ name, points }) => {
    const series = `series-${names.indexOf(name) % 5}`;
    const path = points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    svg("polyline", { class: `curve ${series}`, points: path }, plot);
    const item = document.createElement("li");
    item.className = series;
    const reading = document.createElement("b");
    item.append(`${name} `, reading);
    legend.append(item);
    return reading;
  });
  const cursor = svg("line", { class: "cursor", y1: PLOT.top, y2: bottom }, plot);

  function pick(event) {
    const box = plot.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * PLOT.width;
    onPick(first + ((at - PLOT.left) / span) * (last - first));
  }
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    pick(event);
  });
  plot.addEventListener("pointermove", (event) => event.buttons && pick(event));

  return {
    move(epoch) {
      cursor.setAttribute("visibility", epoch === undefined ? "hidden" : "visible");
      if (epoch === undefined) return;
      const at = x(Math.min(last, Math.max(first, epoch)));
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      curves.forEach(({ points }, index) => {
        readings[index].textContent = String(+nearestEarlier(points, epoch)[1].toPrecision(3));
      });
    },
  };
}
