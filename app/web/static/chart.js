// A line chart in SVG, drawn anew whenever a value comes.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 640, HEIGHT = 200, LEFT = 46, RIGHT = 10, TOP = 12, BOTTOM = 24;

// `lines`: [{points: [[x, y]], style, dots}]; `marks`: x positions of vertical lines with a text; `low`, `high`: of y.
export function draw(svg, { lines, marks = [], low, high, xLabel = "" }) {
  const all = lines.flatMap(({ points }) => points);
  svg.replaceChildren();
  if (all.length === 0) return;
  const xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
  const left = Math.min(...xs), right = Math.max(...xs, left + 1);
  const bottom = low ?? Math.min(...ys), top = Math.max(high ?? Math.max(...ys), bottom + 1e-6);
  const x = (value) => LEFT + ((value - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);

  for (const value of [bottom, (bottom + top) / 2, top]) {
    element(svg, "line", { class: "frame", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) });
    element(svg, "text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value));
  }
  for (const mark of marks)
    element(svg, "line", { class: "mark", x1: x(mark), x2: x(mark), y1: TOP, y2: HEIGHT - BOTTOM });
  element(svg, "text", { x: LEFT, y: HEIGHT - 8 }, short(left));
  element(svg, "text", { x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end" }, short(right));
  element(svg, "text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, xLabel);
  for (const { points, style, dots } of lines) {
    element(svg, "polyline", { class: style, points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") });
    if (dots) for (const [a, b] of points) element(svg, "circle", { cx: x(a), cy: y(b), r: 2.5 });
  }
}

const short = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(2));

function element(parent, name, attributes, text = "") {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
}
