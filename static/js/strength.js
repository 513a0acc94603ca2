/* The seven-point bar by keys, for every page that has one. f and j are places on the screen, not letters. */
"use strict";

(() => {
  const { palate } = window;
  const form = () => document.getElementById("answer");
  const options = () => [...(form()?.querySelectorAll(".strength input") || [])];
  const chosen = () => options().find((input) => input.checked);
  const bothBad = () => form().querySelector('input[value="both_bad"]');

  /* false when there is nothing to choose, so that the key is left to others */
  function choose(input) {
    if (!input) return false;
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    const label = input.closest("label");
    palate.desk.say(input.getAttribute("aria-label") || label.querySelector("span")?.textContent || label.textContent.trim());
    return true;
  }

  /* toward the left or right of the screen: first slightly, again for stronger, back for weaker */
  function neighbour(toLeft, all) {
    const tie = (all.length - 1) / 2;
    const at = all.findIndex((input) => input.checked);
    const next = (at < 0 ? tie : at) + (toLeft === palate.desk.fromTheRight() ? 1 : -1);
    return all[Math.min(Math.max(next, 0), all.length - 1)];
  }

  function missing() {
    const bar = form().querySelector(".strength");
    const none = !chosen() && !bothBad()?.checked;
    bar.classList.toggle("missing", none);
    return none ? "Choose first: f or j picks a side, space is a tie, x is both bad." : "";
  }

  document.addEventListener("change", (event) => {
    if (event.target.name === "strength") form()?.querySelector(".strength")?.classList.remove("missing");
  });

  palate.strength = {
    choose,
    neighbour,
    missing,
    options,
    keys: {
      f: () => choose(neighbour(true, options())),
      j: () => choose(neighbour(false, options())),
      x: () => choose(bothBad()),
      " ": () => choose(options()[3]),
    },
  };
})();
