/* pairwise: the seven-point bar by keys. f and j are places on the screen, not letters. */
"use strict";

(() => {
  const { palate } = window;
  const form = () => document.getElementById("answer");
  const options = () => [...form().querySelectorAll(".strength input")];
  const chosen = () => form().querySelector('input[name="strength"]:checked');
  const bothBad = () => form().querySelector('input[value="both_bad"]');
  const reasons = () => [...form().elements].filter((one) => one.name.startsWith("reason-"));

  const axes = () => [...document.querySelectorAll("#desk [data-dimension]")];
  const stepsOf = (axis) => [...axis.querySelectorAll("input")];
  const chosenOf = (axis) => axis.querySelector("input:checked");
  /* the bar that keys move: of the dimension that has the focus, else the bar in the dock */
  const focused = () => document.activeElement?.closest("#desk [data-dimension]");

  function choose(input) {
    if (!input) return;
    input.checked = true;
    if (focused()?.contains(input)) input.focus();
    input.dispatchEvent(new Event("change", { bubbles: true }));
    const label = input.closest("label");
    palate.desk.say(input.getAttribute("aria-label") || label.querySelector("span")?.textContent || label.firstChild.nextSibling.textContent);
  }

  /* toward the left or right of the screen: first slightly, again for stronger, back for weaker */
  function move(toLeft) {
    const axis = focused();
    const all = axis ? stepsOf(axis) : options();
    const tie = (all.length - 1) / 2;
    const step = toLeft === palate.desk.fromTheRight() ? 1 : -1;
    const at = all.indexOf(axis ? chosenOf(axis) : chosen());
    const next = (at < 0 ? tie : at) + step;
    choose(all[Math.min(Math.max(next, 0), all.length - 1)]);
  }

  const tie = () => choose(focused() ? stepsOf(focused())[3] : options()[3]);

  /* one stop of Tab a bar: what is chosen, else the tie */
  function stops() {
    for (const axis of axes()) {
      const stop = chosenOf(axis) || stepsOf(axis)[3];
      for (const input of stepsOf(axis)) input.tabIndex = input === stop ? 0 : -1;
      if (chosenOf(axis)) axis.classList.remove("missing");
    }
  }

  function nextAxis() {
    const all = axes();
    const axis = all[(all.indexOf(focused()) + 1) % all.length];
    if (!axis) return false;
    stepsOf(axis).find((input) => input.tabIndex === 0).focus();
    return true;
  }

  function tick(number) {
    const box = reasons()[number - 1];
    if (!box) return false;
    box.click();
    return true;
  }

  function missing(answer) {
    const bar = answer.querySelector(".strength");
    bar.classList.toggle("missing", !chosen());
    if (!chosen()) return "Choose first: f or j picks a side, space is a tie, x is both bad.";
    const open = axes().filter((axis) => !chosenOf(axis));
    for (const axis of open) axis.classList.add("missing");
    if (!open.length) return "";
    stepsOf(open[0])[3].focus();
    return `Not answered yet: ${open.map((axis) => axis.dataset.dimension).join(", ")}. Choose a side or a tie for each.`;
  }

  document.addEventListener("change", (event) => {
    if (event.target.name === "strength") form()?.querySelector(".strength")?.classList.remove("missing");
    if (event.target.closest?.("[data-dimension]")) stops();
  });
  /* from nothing chosen an arrow takes the first step, as f and j do; the browser would go from end to end */
  document.addEventListener("keydown", (event) => {
    if (!/^Arrow(Left|Right|Up|Down)$/.test(event.key) || !event.target.closest?.("#desk [data-dimension]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const sideways = /Left|Right/.test(event.key);
    const toStart = event.key === "ArrowUp";
    move(sideways ? event.key === "ArrowLeft" : toStart !== palate.desk.fromTheRight());
  });

  const keys = {
    f: () => move(true),
    j: () => move(false),
    x: () => choose(bothBad()),
    d: nextAxis,
    " ": tie,
  };
  for (let digit = 1; digit <= 9; digit += 1) keys[digit] = () => tick(digit);
  /* chat and adjudication have the same bar */
  palate.strength = { keys, missing, move, chosen, choose };
  palate.kinds.pairwise = { begin: stops, restored: stops, keys, missing };
})();
