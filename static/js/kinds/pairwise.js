/* pairwise: the seven-point bar by keys. f and j are places on the screen, not letters. */
"use strict";

(() => {
  const { palate } = window;
  const form = () => document.getElementById("answer");
  const options = () => [...form().querySelectorAll(".strength input")];
  const chosen = () => form().querySelector('input[name="strength"]:checked');
  const bothBad = () => form().querySelector('input[value="both_bad"]');
  const reasons = () => [...form().elements].filter((one) => one.name.startsWith("reason-"));

  function choose(input) {
    if (!input) return;
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    const label = input.closest("label");
    palate.desk.say(label.querySelector("span")?.textContent || label.firstChild.nextSibling.textContent);
  }

  /* toward the left or right of the screen: first slightly, again for stronger, back for weaker */
  function move(toLeft) {
    const all = options();
    const tie = (all.length - 1) / 2;
    const step = toLeft === palate.desk.fromTheRight() ? 1 : -1;
    const at = all.indexOf(chosen());
    const next = (at < 0 ? tie : at) + step;
    choose(all[Math.min(Math.max(next, 0), all.length - 1)]);
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
    for (const axis of document.querySelectorAll("#desk [data-dimension]")) {
      if (!axis.querySelector("input:checked")) {
        axis.querySelector("input").focus();
        return `Not answered yet: ${axis.dataset.dimension}. Choose a side or a tie for it.`;
      }
    }
    return "";
  }

  document.addEventListener("change", (event) => {
    if (event.target.name === "strength") form()?.querySelector(".strength")?.classList.remove("missing");
  });

  const keys = {
    f: () => move(true),
    j: () => move(false),
    x: () => choose(bothBad()),
    " ": () => choose(options()[3]),
  };
  for (let digit = 1; digit <= 9; digit += 1) keys[digit] = () => tick(digit);
  /* chat and adjudication have the same bar */
  palate.strength = { keys, missing, move, chosen, choose };
  palate.kinds.pairwise = { keys, missing };
})();
