// The panel of the cards: what is accepted, overridden and asked there.

import { feedback } from "./ask.js";
import { cardsOf, explained } from "./cards.js";
import { $, segments } from "./dom.js";
import { accepted } from "./drafts.js";
import { showOrder } from "./order.js";
import { showWhy } from "./reasons.js";
import { changed, service, state } from "./state.js";

const WIDTHS = [240, 390, 700];

async function tell(card, item, words) {
  if (!state.config.feedback) return `${words} No feedback is taken here.`;
  if (state.assumed.size) return `${words} No feedback was sent: the card is of an assumed value.`;
  if (!state.answer.cards.includes(card)) return `${words} No feedback was sent: no client is shown this card.`;
  try {
    await feedback(service().id, { card: card.uuid, ...item });
    return `${words} Feedback sent.`;
  } catch (error) {
    return `${words} Feedback could not be sent: ${error.message}`;
  }
}

async function accept(card, suggestion) {
  const next = accepted(state.drafts, suggestion, state.selected);
  const told = await tell(card, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] }, `Accepted: ${suggestion.label}.`);
  Object.assign(state, next);
  state.settled = `${told} The draft is changed, and the service was asked about it again.`;
  showOrder();
  changed(0);
}

async function override(card, reason, comment) {
  const { code, system, display } = reason;
  const overrideReason = { reason: { code, system, display }, ...(comment ? { userComment: comment } : {}) };
  const told = await tell(card, { outcome: "overridden", overrideReason }, `Overridden: ${display}.`);
  state.said.set(card.uuid, { kind: "overridden", words: told });
  showCards();
}

export function showCards() {
  const { answer } = state;
  const shown = answer.cards.length ? answer.cards : (answer.heldBack ?? []);
  const lead = shown.find((card) => card.uuid === state.rule?.card) ?? shown[0];
  $("cards").replaceChildren(...cardsOf(shown, { accept, override, why: whyCard }, state.said, lead?.uuid));
  $("panel").style.setProperty("--width", `${state.width}px`);
  showNotice();
  const decision = lead ? `${explained(lead).decision}: ${lead.summary}` : "no card";
  if ($("live").textContent !== decision) $("live").textContent = decision;
}

/** What must be known beside the cards; why a file was not opened stays, whatever is answered meanwhile. */
export function showNotice() {
  const { answer, assumed, refused, settled } = state;
  const whatIf = assumed.size ? "What if: these cards are of an assumed value, not of the chart. " : "";
  const silent = answer?.silent ? "Silent here: a CDS client gets no card of these. " : "";
  const shown = !answer || answer.cards.length || answer.heldBack?.length;
  const none = shown ? "" : "No card: the service has nothing to say, and an EHR shows nothing. ";
  $("notice").textContent = `${refused}${whatIf}${silent}${none}${settled}`;
  $("notice").classList.toggle("good", Boolean(settled) && !refused && !silent && !whatIf);
}

function whyCard(card) {
  const { rule } = explained(card);
  const order = state.answer.orders.find((each) => each.rules.some((other) => other.id === rule));
  state.rule = { key: order?.key, id: rule, card: card.uuid };
  showCards();
  showWhy();
  $("rule").focus();
}

export function showFailure(error) {
  $("notice").classList.remove("good");
  $("notice").textContent = `Not answered: ${error.message}`;
  $("live").textContent = $("notice").textContent;
}

export function showWidths() {
  segments($("widths"), WIDTHS.map((width) => [width, `${width} px`]), state.width, (width) => {
    state.width = width;
    localStorage.setItem("width", String(width));
    showWidths();
    $("panel").style.setProperty("--width", `${width}px`);
  });
}
