/* pairwise: the bar of the dock, a small bar for each dimension moved by the same keys, and reasons to tick. */
"use strict";

(() => {
  const { palate } = window;
  const { strength } = palate;
  const form = () => document.getElementById("answer");
  const reasons = () => [...form().elements].filter((one) => one.name.startsWith("reason-"));

  const axes = () => [...document.querySelectorAll("#desk [data-dimension]")];
  const stepsOf = (axis) => [...axis.querySelectorAll("input")];
  const chosenOf = (axis) => axis.querySelector("input:checked");
  /* the bar that keys move: of the dimension that has the focus, else the bar in the dock */
  const focused = () => document.activeElement?.closest("#desk [data-dimension]");

  function take(input) {
    if (focused()?.contains(input)) input.focus();
    return strength.choose(input);
  }

  const move = (toLeft) => take(strength.neighbour(toLeft, focused() ? stepsOf(focused()) : strength.options()));

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

  function missing() {
    const words = strength.missing();
    if (words) return words;
    const open = axes().filter((axis) => !chosenOf(axis));
    for (const axis of open) axis.classList.add("missing");
    if (!open.length) return "";
    stepsOf(open[0])[3].focus();
    return `Not answered yet: ${open.map((axis) => axis.dataset.dimension).join(", ")}. Choose a side or a tie for each.`;
  }

  document.addEventListener("change", (event) => {
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
    x: strength.keys.x,
    d: nextAxis,
    " ": () => take(focused() ? stepsOf(focused())[3] : strength.options()[3]),
  };
  for (let digit = 1; digit <= 9; digit += 1) keys[digit] = () => tick(digit);
  palate.kinds.pairwise = { begin: stops, restored: stops, keys, missing };
})();
