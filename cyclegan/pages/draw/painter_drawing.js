// What the painter's tools do to a drawing: a class index for each of SIDE x SIDE pixels. Nothing here knows the page.

const SIDE = 256;

function fillBox(indices, { left, top, right, bottom }, index) {
  for (let y = top; y < bottom; y += 1) indices.fill(index, y * SIDE + left, y * SIDE + right);
}

// The box between two pixels, both in it; its edges on the lines of a grid.
function boxBetween(a, b, grid) {
  const down = (value) => Math.floor(value / grid) * grid;
  return {
    left: down(Math.min(a.x, b.x)),
    top: down(Math.min(a.y, b.y)),
    right: Math.min(SIDE, down(Math.max(a.x, b.x)) + grid),
    bottom: Math.min(SIDE, down(Math.max(a.y, b.y)) + grid),
  };
}

// What a square brush covers with its middle at a pixel.
function brushAt({ x, y }, size) {
  const [left, top] = [x - Math.floor(size / 2), y - Math.floor(size / 2)];
  return {
    left: Math.max(0, left),
    top: Math.max(0, top),
    right: Math.min(SIDE, left + size),
    bottom: Math.min(SIDE, top + size),
  };
}

function brushLine(indices, from, to, size, index) {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let step = 0; step <= steps; step += 1) {
    const at = (a, b) => Math.round(a + ((b - a) * step) / steps);
    fillBox(indices, brushAt({ x: at(from.x, to.x), y: at(from.y, to.y) }, size), index);
  }
}

// Gives an area of one class, bounded by others, a new class.
function floodFill(indices, { x, y }, index) {
  const old = indices[y * SIDE + x];
  if (old === index) return;
  const waiting = [[x, y]];
  while (waiting.length) {
    const [column, row] = waiting.pop();
    if (column < 0 || row < 0 || column >= SIDE || row >= SIDE || indices[row * SIDE + column] !== old) continue;
    indices[row * SIDE + column] = index;
    waiting.push([column - 1, row], [column + 1, row], [column, row - 1], [column, row + 1]);
  }
}

const NEAR = 30 * 30; // of one of the colours, as facades.py tells label maps from photos

// The classes of RGBA pixels by the nearest colour of a palette, and which share of the pixels is close to it.
function readClasses(pixels, palette) {
  const indices = new Uint8Array(pixels.length / 4);
  let near = 0;
  for (let pixel = 0; pixel < indices.length; pixel += 1) {
    let best = Infinity;
    palette.forEach((colour, index) => {
      const distance = colour.reduce((sum, value, channel) => sum + (value - pixels[4 * pixel + channel]) ** 2, 0);
      if (distance < best) [best, indices[pixel]] = [distance, index];
    });
    near += best <= NEAR;
  }
  return { indices, share: near / indices.length };
}

// Writes the colours of a drawing into an ImageData.
function paintClasses(indices, palette, image) {
  const words = new Uint32Array(image.data.buffer); // a pixel each; every browser's machine is little-endian
  const colours = palette.map(([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  for (let pixel = 0; pixel < words.length; pixel += 1) words[pixel] = colours[indices[pixel]];
}
