// The page of `mnistnet demo`. All numbers come from the server, over POST under /api/ (docs/demo.md).

import { askWish, go, steps } from "./backward.js";
import { judge, learn, reset, showTeaching } from "./fine_tune.js";
import { $, ask, el, withMessage } from "./helpers.js";
import { prepareLearning } from "./learn.js";
import { show, stage } from "./network.js";
import { FIRST, clear, openPicture, showPad, showTestDigit, undo } from "./pad.js";
import { state } from "./state.js";

$("undo").addEventListener("click", undo);
$("clear").addEventListener("click", clear);
$("brush").addEventListener("input", showPad);
$("random").addEventListener("click", withMessage(() => showTestDigit()));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", withMessage(async () => {
  const [file] = $("file").files;
  await openPicture(file);
  $("file").value = ""; // so that the same file can be opened again
}));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
document.addEventListener("drop", withMessage(async (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  await openPicture(event.dataTransfer.files[0]);
}));
document.addEventListener("paste", withMessage((event) => openPicture(event.clipboardData.files[0])));

$("label").addEventListener("change", withMessage(async () => {
  state.meant = Number($("label").value);
  state.picked = null;
  if (state.step >= 0) await askWish();
  await judge();
  show();
}));
$("back").addEventListener("click", withMessage(() => go(state.step - 1)));
$("next").addEventListener("click", withMessage(() => go(state.step === steps().length - 1 ? -1 : state.step + 1)));
$("rate").addEventListener("input", showTeaching);
$("alone").addEventListener("click", withMessage(() => learn(false)));
$("many").addEventListener("click", withMessage(() => learn(true)));
$("reset").addEventListener("click", withMessage(reset));
document.addEventListener("adopted", showAbout);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showPad);

function showAbout() {
  const { name, layer_sizes, parameters } = state.about;
  $("about").textContent = `The network ${name}: ${layer_sizes.join(" – ")} neurons, ${parameters.toLocaleString("en")} weights and biases`;
}

withMessage(async () => {
  state.original = state.about = await ask("describe");
  const { labels, quadratic } = state.about;
  showAbout();
  $("label").append(...labels.map((text, value) => el("option", { value }, text)));
  $("rate").value = quadratic ? 0 : -1;
  for (const control of document.querySelectorAll("[data-tip]")) control.setAttribute("aria-description", control.dataset.tip);
  showPad();
  show();
  new ResizeObserver(show).observe(stage);
  addEventListener("pagehide", () => sessionStorage.setItem("copy", JSON.stringify(state.session ? { session: state.session, about: state.about } : null)));
  const kept = JSON.parse(sessionStorage.getItem("copy"));
  if (kept) {
    Object.assign(state, kept);
    showAbout();
    show();
  }
  await withMessage(prepareLearning)();
  await showTestDigit(FIRST);
})();
