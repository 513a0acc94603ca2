/* edit: the words that changed, beside the text box, while a person types. The counting is in worddiff.js. */
"use strict";

(() => {
  const { palate } = window;
  const PAUSE = 80; // after the last keystroke; 2,000 words that all changed take about as long
  const byId = (id) => document.getElementById(id);
  const box = () => byId("edit-text");

  let draft = ""; // the response, with line ends as a text box has them
  let before = null; // the edit that a reset replaced, until the next keystroke
  let drawn = 0;
  let diff = null;

  const sameText = () => box().value.trim() === draft.trim();

  function begin() {
    draft = JSON.parse(byId("edit-panes").dataset.draft).replace(/\r\n?/g, "\n");
    before = null;
    draw();
    if (!diff) load(byId("edit-panes").dataset.worddiff);
  }

  async function load(address) {
    try {
      diff = await import(new URL(address, location.href));
    } catch {
      return palate.toast("The part of this page that compares words could not be loaded. You can edit and send all the same.");
    }
    if (box()) draw();
  }

  /* ---- what the page says about the edit ---- */
  function draw() {
    const same = sameText();
    const send = byId("send");
    send.firstChild.textContent = same ? "Accept as it is " : "Send ";
    byId("edit-reset").disabled = same && before === null;
    byId("edit-reset").querySelector("span").textContent = before === null ? "Reset to draft" : "Bring my version back";
    byId("edit-hint").textContent = same ? "No change means: accepted as it is" : "";
    if (diff) show(diff.pieces(draft, box().value), same);
  }

  function show({ cost, total, pieces }, same) {
    byId("edit-cost").replaceChildren(...words(cost, total, same));
    const line = document.createElement("p");
    for (const [number, { kind, space, text }] of pieces.entries()) {
      line.append(kind === "ins" && !space && pieces[number - 1]?.kind === "del" ? "\u2009" : space);
      line.append(kind === "same" ? text : Object.assign(document.createElement(kind), { textContent: text }));
    }
    byId("edit-diff").replaceChildren(line);
  }

  function words(cost, total, same) {
    if (!cost) return [same ? "Nothing changed" : "Only the spacing changed"];
    const number = document.createElement("b");
    number.className = "num";
    number.textContent = cost.toLocaleString("en-US");
    return [number, ` ${cost === 1 ? "word" : "words"} changed; the draft has ${total.toLocaleString("en-US")}`];
  }

  function soon() {
    clearTimeout(drawn);
    drawn = setTimeout(() => box() && draw(), PAUSE);
  }

  /* ---- reset, which the browser's own undo takes back too ---- */
  function write(text) {
    box().focus();
    box().select();
    /* deprecated and without a successor: the only way to write that stays in the browser's undo */
    const done = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (done && box().value === text) return;
    box().value = text;
    box().dispatchEvent(new Event("input", { bubbles: true }));
  }

  function reset() {
    if (sameText() && before === null) return;
    const back = before;
    const mine = box().value;
    const at = document.activeElement;
    write(back === null ? draft : back);
    before = back === null ? mine : null;
    box().setSelectionRange(0, 0);
    box().scrollTop = 0;
    if (at === byId("edit-reset")) at.focus();
    else box().blur(); // so that the keys go on working
    draw();
    palate.desk.say(back === null ? "Reset to the draft. Press r to bring your version back." : "Your version is back.");
  }

  document.addEventListener("input", (event) => {
    if (event.target !== box()) return;
    before = null;
    soon();
  });
  document.addEventListener("click", (event) => event.target.closest("#edit-reset") && reset());

  function focusOn(id) {
    if (!byId(id)) return false;
    byId(id).focus();
    return true;
  }

  function missing() {
    if (box().value.trim()) return "";
    box().focus();
    return "Your version is empty. Write what the answer should be, or reset it to the draft.";
  }

  palate.kinds.edit = {
    begin,
    restored: draw,
    missing,
    keys: { e: () => focusOn("edit-text"), w: () => focusOn("edit-note"), r: reset },
    end: () => clearTimeout(drawn),
  };
})();
