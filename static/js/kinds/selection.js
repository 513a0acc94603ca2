/* selection: digits tick candidates, 0 is none, a is all. None and a candidate exclude each other. */
"use strict";

(() => {
  const { palate } = window;
  const byId = (id) => document.getElementById(id);
  const none = () => document.querySelector("#desk .none input");
  const boxes = () => [...document.querySelectorAll("#desk .fit input")];
  const list = () => document.querySelector("#desk .aside > fieldset");
  const chosen = () => boxes().filter((box) => box.checked).length;

  function draw() {
    const count = chosen();
    byId("chosen").textContent = none().checked ? "none fits" : `${count} of ${boxes().length} chosen`;
    if (count || none().checked) list().classList.remove("missing");
  }

  function toggle(number) {
    const box = boxes()[number];
    if (!box) return false;
    box.click();
    box.closest("label").scrollIntoView({ block: "nearest" });
    palate.desk.say(`${number + 1}: ${box.checked ? "fits" : "not chosen"}`);
    return true;
  }

  function nothing() {
    none().click();
    palate.desk.say(none().checked ? "None fits" : "Nothing is chosen");
  }

  function all() {
    const every = boxes().every((box) => box.checked);
    for (const box of boxes()) box.checked = !every;
    none().checked = false;
    draw();
    palate.desk.changed();
    palate.desk.say(every ? "Nothing is chosen" : "All chosen");
  }

  /* ahead of desk.js, which keeps the fields as they are then */
  document.addEventListener("change", (event) => {
    if (!none()) return;
    if (event.target === none() && none().checked) for (const box of boxes()) box.checked = false;
    else if (event.target.closest(".fit") && event.target.checked) none().checked = false;
    else if (!event.target.closest(".fit, .none")) return;
    draw();
  }, true);

  function missing() {
    if (chosen() || none().checked) return "";
    list().classList.add("missing");
    return "Choose first: digits choose what fits, 0 says that none does.";
  }

  const keys = {
    0: nothing,
    a: all,
    z: () => (byId("larger") ? void byId("larger").togglePopover() : false),
  };
  [..."123456789jkl"].forEach((key, number) => { keys[key] = () => toggle(number); });

  palate.kinds.selection = { keys, missing, restored: draw, begin: draw };
})();
