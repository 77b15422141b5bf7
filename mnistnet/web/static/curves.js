// Curves against steps or seconds.

import { $, svg } from "./helpers.js";

const WIDTH = 320, HEIGHT = 150, LEFT = 40, RIGHT = 96, TOP = 10, BOTTOM = HEIGHT - 20;
const MAX_POINTS = 600;

/** Drop every second point of those that have become too many to be seen. */
export function thinned(points) {
  while (points.length > MAX_POINTS) points = points.filter((_, i) => i % 2 || i === points.length - 1);
  return points;
}

/** Draw curves into the element `id`, each with its last value and name at the right.

    A curve is [name, class, points], a point [x, value]; `format` writes a value, `unit` follows the last x. */
export function drawCurves(id, curves, most, format, unit) {
  const points = curves.flatMap(([, , values]) => values);
  if (!points.length) return $(id).replaceChildren();
  const last = Math.max(1e-9, ...points.map(([at]) => at)), high = most ?? (Math.max(...points.map(([, value]) => value)) || 1);
  const x = (at) => LEFT + ((WIDTH - LEFT - RIGHT) * at) / last, y = (value) => BOTTOM - ((BOTTOM - TOP) * Math.min(value, high)) / high;
  let below = -Infinity;
  const ends = curves.filter(([, , values]) => values.length).map(([name, kind, values]) => [name, kind, values.at(-1)[1]])
    .sort((a, b) => b[2] - a[2]).map(([name, kind, value]) => [name, kind, value, below = Math.max(y(value) + 4, below + 26)]);
  const over = Math.max(0, below + 12 - BOTTOM); // the lowest name must stay on the picture
  const end = last < 10 ? last.toFixed(2) : Math.round(last).toLocaleString("en");
  $(id).replaceChildren(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": ends.map(([name, , value]) => `${name} ${format(value)}`).join(", ") },
    ...[0, 0.5, 1].flatMap((share) => [svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * high), y2: y(share * high) }),
      svg("text", { x: LEFT - 5, y: y(share * high) + 4, "text-anchor": "end" }, format(share * high))]),
    svg("text", { x: LEFT, y: HEIGHT - 4 }, "0"), svg("text", { x: WIDTH - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, `${end} ${unit}`),
    ...curves.map(([, kind, values]) => svg("polyline", { class: kind, points: values.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ") })),
    ...ends.flatMap(([name, kind, value, at]) => [svg("text", { class: kind, x: WIDTH - RIGHT + 6, y: at - over }, format(value)),
      svg("text", { class: kind, x: WIDTH - RIGHT + 6, y: at - over + 12 }, name)])));
}
