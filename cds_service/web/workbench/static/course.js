// The course above the answer: its picture, and the time that is moved along it.

import { newestOnly, timeline } from "./ask.js";
import { picture } from "./cards.js";
import { $, h } from "./dom.js";
import { bodyOf, changed, service, state } from "./state.js";
import { HOUR, clockOf, neighbour } from "./time.js";

const drawing = newestOnly(async () => {
  const { span, patient } = state;
  try {
    const drawn = await timeline(service().id, bodyOf({}, span.end), span.start);
    if (patient !== state.patient) return; // another one was picked meanwhile
    $("picture").replaceChildren(drawn ? picture(drawn) : h("p", { class: "muted" }, "No course: the order is none of this service's."));
    fit();
  } catch (error) {
    $("picture").replaceChildren(h("p", { class: "muted" }, `No picture: ${error.message}`));
  }
});

/** Words that their block has no room for say less than none: the block's title has them whole. */
function fit() {
  for (const block of $("picture").querySelectorAll("svg svg")) {
    const text = block.querySelector("text");
    if (text) text.style.visibility = text.getComputedTextLength() + 9 > block.getBoundingClientRect().width ? "hidden" : "";
  }
}

let timer = 0;

/** Draw the course again, some ms later: what is ordered has changed, and so have the answers of every hour. */
export function redraw(after) {
  clearTimeout(timer);
  timer = setTimeout(drawing, after);
}

export function showTime() {
  const clock = clockOf(state.at);
  $("clock").textContent = clock;
  $("scrubber").value = String(state.at / HOUR);
  $("scrubber").setAttribute("aria-valuetext", clock);
  const { start, end } = state.span;
  $("course").style.setProperty("--share", String((state.at - start) / (end - start)));
}

function goTo(at) {
  state.at = at;
  changed(null);
}

export function listenToTime() {
  $("scrubber").addEventListener("input", (event) => goTo(Math.round(Number(event.target.value)) * HOUR));
  $("scrubber").addEventListener("keydown", (event) => {
    const hours = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -6, PageUp: 6 }[event.key];
    if (hours === undefined) return;
    event.preventDefault();
    const { min, max } = event.target;
    goTo(Math.min(Math.max(state.at + hours * HOUR, Number(min) * HOUR), Number(max) * HOUR));
  });
  $("before").addEventListener("click", () => goTo(neighbour(state.moments, state.at, false)));
  $("after").addEventListener("click", () => goTo(neighbour(state.moments, state.at, true)));
  for (const kind of ["pointerdown", "pointermove"]) {
    $("course").addEventListener(kind, (event) => {
      if (event.buttons !== 1 || event.target.closest("a, button")) return;
      const box = $("course").getBoundingClientRect();
      const share = Math.min(Math.max(((event.clientX - box.left) / box.width - 0.015) / 0.97, 0), 1);
      const { start, end } = state.span;
      goTo(Math.round((start + share * (end - start)) / HOUR) * HOUR);
    });
  }
  $("whole").addEventListener("click", () => {
    const open = $("course").classList.toggle("whole");
    $("whole").setAttribute("aria-expanded", String(open));
    $("whole").textContent = open ? "Less of the course" : "Whole course";
  });
  window.addEventListener("resize", fit);
}
