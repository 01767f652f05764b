// Curves of a training as SVG: logarithmic where no value is negative, with a cursor at an epoch and a mark at the best
// one. All plots of a page have the same epochs across, and a loss has the same colour in each.

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 440, height: 170, left: 50, right: 8, top: 14, bottom: 22 };
const COLOURS = 8;

function svg(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

/** The vertical axis for values: {logarithmic, marks, share(value)}, the share of the height from 0 to 1. It is linear
 * where a value is not positive, as the scores of a Wasserstein critic are, or where it is to begin at zero. */
function verticalAxis(values, fromZero) {
  const [smallest, largest] = [Math.min(...values), Math.max(...values)];
  if (smallest > 0 && !fromZero) {
    const low = Math.floor(Math.log10(smallest));
    const high = Math.max(low + 1, Math.ceil(Math.log10(largest)));
    const marks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
    return { logarithmic: true, marks, share: (value) => (Math.log10(value) - low) / (high - low) };
  }
  const [bottom, top] = [Math.min(0, smallest), Math.max(0, largest)];
  const unit = 10 ** Math.floor(Math.log10(top - bottom || 1));
  const step = [5, 2, 1, 0.5].map((factor) => factor * unit).findLast((each) => (top - bottom) / each <= 5) ?? unit;
  const low = Math.floor(bottom / step);
  const high = Math.max(low + 1, Math.ceil(top / step));
  const marks = Array.from({ length: high - low + 1 }, (_, index) => (low + index) * step);
  return { logarithmic: false, marks, share: (value) => (value / step - low) / (high - low) };
}

/** Three digits of a value: 0.56, 30.3, 1.5e-4. */
function inShort(value) {
  const tiny = value !== 0 && Math.abs(value) < 0.001;
  return tiny ? value.toExponential(1).replace(".0e", "e") : String(+value.toPrecision(3));
}

function nearestEarlier(points, epoch) {
  return points.findLast(([at]) => at <= epoch) ?? points[0];
}

/** The curves without values that cannot be drawn; those of which nothing is left are dropped. */
function drawable(curves) {
  return curves
    .map(({ name, points }) => ({ name, points: points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length);
}

/** What several plots share: the first and last epoch, and the names of all curves. */
function commonAxes(plots) {
  const curves = plots.flatMap((plot) => drawable(plot.curves));
  const epochs = curves.flatMap(({ points }) => points.map(([epoch]) => epoch));
  return { first: Math.min(...epochs), last: Math.max(...epochs), names: [...new Set(curves.map(({ name }) => name))] };
}

/** Draw a plot ({title, curves: [{name, points}], from_zero, best}) in `parent`, within {first, last, names}; null if
 * it has nothing to show. Returns its `node`, `epochAt(event)`, and `move(epoch)` for cursor and legend. */
function drawPlot(parent, { title, curves: all, from_zero: fromZero, best }, { first, last, names }, words) {
  const curves = drawable(all);
  if (!curves.length) return null;

  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const axis = verticalAxis(curves.flatMap(({ points }) => points.map(([, value]) => value)), fromZero);
  const small = document.createElement("small");
  small.textContent = axis.logarithmic ? words.scale : "";
  caption.append(title, " ", small);
  const node = svg("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": title });
  const legend = document.createElement("ul");
  figure.append(caption, node, legend);
  parent.append(figure);

  const bottom = PLOT.height - PLOT.bottom;
  const span = PLOT.width - PLOT.left - PLOT.right;
  const within = (epoch) => Math.min(last, Math.max(first, epoch));
  const x = (epoch) => PLOT.left + (span * (epoch - first)) / Math.max(1, last - first);
  const y = (value) => bottom - (bottom - PLOT.top) * axis.share(value);

  for (const mark of axis.marks) {
    const at = y(mark);
    svg("line", { class: "grid", x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: at, y2: at }, node);
    svg("text", { x: PLOT.left - 6, y: at + 4, "text-anchor": "end" }, node).textContent = inShort(mark);
  }
  svg("text", { x: PLOT.left, y: PLOT.height - 5 }, node).textContent = String(first);
  svg("text", { x: PLOT.width - PLOT.right, y: PLOT.height - 5, "text-anchor": "end" }, node).textContent = String(last);
  if (best !== null && best !== undefined && best >= first && best <= last) {
    svg("line", { class: "best", x1: x(best), x2: x(best), y1: PLOT.top, y2: bottom }, node);
    svg("text", { class: "best", x: x(best), y: PLOT.top - 2, "text-anchor": "middle" }, node).textContent = "★";
  }

  const readings = curves.map(({ name, points }) => {
    const series = `series-${names.indexOf(name) % COLOURS}`;
    const places = points.map(([epoch, value]) => [x(epoch), y(value)]);
    if (places.length === 1) places.push([places[0][0] + 3, places[0][1]]); // a line of one point would not be seen
    const path = places.map((place) => place.map((each) => each.toFixed(1)).join(",")).join(" ");
    svg("polyline", { class: `curve ${series}`, points: path }, node);
    const item = document.createElement("li");
    item.className = series;
    const reading = document.createElement("b");
    item.append(`${name} `, reading);
    legend.append(item);
    return reading;
  });
  const cursor = svg("line", { class: "cursor", y1: PLOT.top, y2: bottom }, node);

  return {
    node,
    epochAt(event) {
      const box = node.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * PLOT.width;
      return within(first + ((at - PLOT.left) / span) * (last - first));
    },
    move(epoch) {
      cursor.setAttribute("visibility", epoch === undefined ? "hidden" : "visible");
      if (epoch === undefined) return;
      const at = x(within(epoch));
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      curves.forEach(({ points }, index) => {
        readings[index].textContent = inShort(nearestEarlier(points, epoch)[1]);
      });
    },
  };
}
