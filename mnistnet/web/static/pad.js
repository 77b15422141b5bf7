// The pad: drawing by mouse, finger, pen and keyboard; test digits and pictures as its backdrop.

import { $, Refused, SIDE, ask, el, fromBase64, toBase64 } from "./helpers.js";
import { rest, show, think } from "./network.js";
import { nameOf, state } from "./state.js";

const pad = $("pad"), pen = { x: 0.5, y: 0.5, down: false, shown: false };

function paint(canvas, ink, paper, rough = false) {
  const c = canvas.getContext("2d"), size = canvas.width;
  c.fillStyle = paper;
  c.fillRect(0, 0, size, size);
  if (state.backdrop && !rough) {
    const { width, height } = state.backdrop, scale = size / Math.max(width, height);
    c.imageSmoothingEnabled = scale < 4;
    c.drawImage(state.backdrop, (size - width * scale) / 2, (size - height * scale) / 2, width * scale, height * scale);
  }
  c.strokeStyle = c.fillStyle = ink;
  c.lineCap = c.lineJoin = "round";
  for (const { width, points } of state.strokes) {
    c.lineWidth = width * size;
    c.beginPath();
    c.moveTo(points[0][0] * size, points[0][1] * size + 0.01); // a dot needs some length to be seen
    for (const [x, y] of points) c.lineTo(x * size, y * size);
    c.stroke();
  }
}

export function showPad() {
  const style = getComputedStyle(document.documentElement);
  paint(pad, style.getPropertyValue("--pen"), style.getPropertyValue("--paper"));
  if (pen.shown) {
    const c = pad.getContext("2d");
    c.strokeStyle = style.getPropertyValue(pen.down ? "--down" : "--up");
    c.lineWidth = 5;
    c.beginPath();
    c.arc(pen.x * pad.width, pen.y * pad.width, brush() * pad.width / 2 + 5, 0, 7);
    c.stroke();
  }
  const empty = !state.strokes.length && !state.backdrop;
  $("hint").hidden = !empty || pen.shown;
  $("undo").disabled = !state.strokes.length;
  $("clear").disabled = empty;
}

const brush = () => $("brush").value / 280;

function begin(x, y) {
  if (state.backdrop || !state.strokes.length) fresh();
  state.strokes.push({ width: brush(), points: [[x, y]] });
  drawn();
}
function goOn(x, y) {
  state.strokes.at(-1).points.push([x, y]);
  drawn();
}
/** The drawing has changed: think about it. */
function drawn() {
  showPad();
  if (state.strokes.length) think(picture);
  else nothing();
}
export const small = el("canvas", { width: 200, height: 200 });
export function picture() {
  paint(small, "#000", "#fff", true);
  return { picture: small.toDataURL("image/png").split(",")[1] };
}

/** Another digit begins: what was said about the last one no longer holds. */
function fresh() {
  Object.assign(state, { strokes: [], backdrop: null, meant: null, step: -1, picked: null, wish: null, lessons: [] });
  state.digit += 1;
  $("source").textContent = "A picture can also be dropped or pasted anywhere on this page.";
}
/** The pad is empty. */
function nothing() {
  fresh();
  Object.assign(state, { pixels: null, thought: null });
  showPad();
  show();
}

export let active = null; // the pointer that draws
const place = (event) => {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
};
pad.addEventListener("pointerdown", (event) => {
  if (active !== null || event.button) return;
  active = event.pointerId;
  pad.setPointerCapture(active);
  pen.shown = pen.down = false;
  begin(...place(event));
});
pad.addEventListener("pointermove", (event) => {
  if (event.pointerId !== active) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  for (const each of passed.slice(0, -1)) state.strokes.at(-1)?.points.push(place(each));
  if (state.strokes.length) goOn(...place(event));
});
for (const end of ["pointerup", "pointercancel"]) {
  pad.addEventListener(end, (event) => {
    if (event.pointerId !== active) return;
    active = null;
    rest();
  });
}

pad.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.06 : 0.02;
  const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (move) {
    pen.x = Math.min(1, Math.max(0, pen.x + move[0]));
    pen.y = Math.min(1, Math.max(0, pen.y + move[1]));
    pen.shown = true;
    if (pen.down && state.strokes.length) goOn(pen.x, pen.y);
  } else if (event.key === " ") {
    pen.shown = true;
    pen.down = !pen.down;
    if (pen.down) begin(pen.x, pen.y);
  } else if (event.key === "z" || event.key === "Z") undo();
  else if (event.key === "Delete" || event.key === "Backspace") clear();
  else return;
  event.preventDefault();
  showPad();
});
pad.addEventListener("blur", () => { pen.shown = pen.down = false; showPad(); });

export function undo() {
  if (!state.strokes.length) return;
  pen.down = false;
  state.strokes.pop();
  drawn();
}
export function clear() {
  pen.down = false;
  nothing();
}

export const FIRST = 1; // the test image that a visitor is met with; of MNIST it is a 2, as in the video

export async function showTestDigit(index = null) {
  const drawn = await ask("draw", index === null ? {} : { index });
  if (index !== null && (state.strokes.length || state.backdrop)) return; // the visitor was faster
  fresh();
  state.meant = drawn.label;
  state.backdrop = inkOf(fromBase64(drawn.pixels));
  $("source").textContent = `Test image ${drawn.index.toLocaleString("en")}, labelled ${nameOf(drawn.label)}. Draw to start over.`;
  showPad();
  think(() => ({ pixels: drawn.pixels }));
}
/** A 28x28 image as ink on the pad's paper. */
function inkOf(bytes) {
  const canvas = el("canvas", { width: SIDE, height: SIDE }), c = canvas.getContext("2d");
  c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--pen");
  bytes.forEach((value, i) => {
    c.globalAlpha = value / 255;
    c.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
  });
  return canvas;
}

const LARGEST = 700_000, SIDEWAYS = 1600; // bytes that are sent as they are; pixels a side of what is larger

export async function openPicture(file) {
  if (!file) return;
  let bitmap = null, blob = file;
  try {
    bitmap = await createImageBitmap(file);
  } catch { /* of a kind that this browser does not read; the server may */ }
  if (file.size > LARGEST) {
    if (!bitmap) throw new Refused(`${file.name}: not a picture that this browser can read`);
    const scale = Math.min(1, SIDEWAYS / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
    const c = canvas.getContext("2d");
    c.fillStyle = "#fff";
    c.fillRect(0, 0, canvas.width, canvas.height);
    c.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  }
  const body = { picture: toBase64(new Uint8Array(await blob.arrayBuffer())) };
  await ask("think", body); // refused? Then what is on the pad stays.
  fresh();
  state.backdrop = bitmap;
  $("source").textContent = `${file.name || "A picture"}, read as mnistnet predict reads it. Draw to start over.`;
  showPad();
  think(() => body);
}
