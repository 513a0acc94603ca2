/* Adjudication: the bar of a comparison, a digit for each rater's answer, the reason, and what is sent back.
   desk.js does the rest: it sees a kind named "adjudicate" whose task is the item. */
"use strict";

(() => {
  const { palate } = window;
  const byId = (id) => document.getElementById(id);
  const bar = () => palate.desk.form().querySelector(".strength");
  const verdict = () => [...palate.desk.form().elements].find((one) => one.name === "strength" && one.checked);
  const takes = () => [...palate.desk.form().elements].filter((one) => one.name === "strength" && one.value.startsWith("take-"));

  function take(number) {
    const input = takes()[number - 1];
    if (!input) return false;
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    palate.desk.say(input.getAttribute("aria-label"));
    return true;
  }

  /* whose: the assignments that are ticked; all that can go back unless given */
  function openBack(whose) {
    const form = byId("back");
    for (const box of form.querySelectorAll('input[name="assignment"]')) {
      box.checked = !box.disabled && (!whose || whose.includes(box.value));
    }
    if (!form.matches(":popover-open")) form.showPopover();
    const boxes = [...form.querySelectorAll('input[name="assignment"]:not(:disabled)')];
    (whose || boxes.length < 2 ? byId("back-note") : boxes[0])?.focus();
  }

  function missing(form) {
    const reason = byId("reason");
    bar()?.classList.toggle("missing", !verdict());
    reason.closest(".field").classList.toggle("missing", Boolean(verdict()) && !reason.value.trim());
    if (!verdict()) return bar() ? "Choose first: f or j picks a side, space is a tie, a digit takes a rater's answer." : "Choose first: a digit takes a rater's answer.";
    if (reason.value.trim()) return "";
    if (form.contains(document.activeElement) || document.activeElement === document.body) reason.focus();
    return "Write why, for the raters to read, then settle.";
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-back]");
    if (!button) return;
    event.preventDefault(); // the drawer opens with this rater ticked
    openBack([button.dataset.back]);
  });
  /* Ctrl and Enter in the note send the note, not the verdict */
  document.addEventListener("keydown", (event) => {
    const drawer = event.target.closest?.("form.drawer");
    if (!drawer || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    drawer.requestSubmit();
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.name === "strength") bar()?.classList.remove("missing");
  });

  /* the chosen step of the next dimension's bar, else its tie; from there the browser's arrows go */
  function nextBar() {
    const all = [...document.querySelectorAll("#desk [data-dimension]")];
    const next = all[(all.findIndex((one) => one.contains(document.activeElement)) + 1) % all.length];
    if (!next) return false;
    (next.querySelector("input:checked") || next.querySelectorAll("input")[3]).focus();
    return true;
  }

  const onBar = (key) => () => (bar() ? palate.strength.keys[key]() : false);
  const keys = {
    f: onBar("f"),
    j: onBar("j"),
    " ": onBar(" "),
    x: () => (bar() && palate.desk.form().querySelector('input[value="both_bad"]') ? palate.strength.keys.x() : false),
    c: () => byId("reason").focus(),
    r: () => openBack(null),
    s: () => byId("pass-button").click(),
    d: () => byId("drop").showPopover(),
    b: nextBar,
  };
  for (let digit = 1; digit <= 9; digit += 1) keys[digit] = () => take(digit);
  palate.kinds.adjudicate = { keys, missing };
})();
