/* ranking: digits place the card in the frame; the list "Your order" shows what comes of it, and its letters can be
   dragged (pointer events, so mouse, pen and touch alike) or moved by arrow keys. */
"use strict";

(() => {
  const { palate } = window;
  const FIRM = 5; // pixels a pointer may tremble before it drags
  const AROUND = 48; // pixels beside the list that still count as its rows
  const ALIKE_FROM = 3; // as in annotate/kinds/ranking.py

  const byId = (id) => document.getElementById(id);
  const form = () => byId("answer");
  const desk = () => document.querySelector("#desk > .rank");
  const cards = () => [...desk().querySelectorAll(":scope > .pane")];
  const rows = () => [...desk().querySelectorAll(".places > li")];
  const digits = (card) => [...card.querySelectorAll(".digits input")];
  const letter = (card) => card.dataset.letter;
  const rank = (card) => Number(digits(card).find((one) => one.checked)?.value || 0); // 0: no place
  const last = () => rows().length - 1;
  const partial = () => last() < cards().length;
  const framed = () => desk().querySelector(".pane.on") || cards()[0];
  const cardOf = (chip) => cards()[Number(chip.dataset.chip)];

  const chips = new WeakMap(); // the letter of each card in the list
  let drag = null; // {chip, id, x, y, moved}
  let dragged = false; // the click that ends a drag means nothing

  /* ---- placing ---- */
  function place(card, number) {
    for (const input of digits(card)) input.checked = Number(input.value) === number;
    draw();
    palate.desk.changed();
    const shared = cards().filter((other) => other !== card && number && rank(other) === number).map(letter);
    palate.desk.say(`${letter(card)}: ${number ? `place ${number}` : "no place"}${shared.length ? `, tied with ${join(shared)}` : ""}`);
  }

  const join = (letters) => letters.length < 2 ? letters.join("") : `${letters.slice(0, -1).join(", ")} and ${letters.at(-1)}`;
  const better = (card) => cards().filter((other) => rank(other) && rank(other) < rank(card)).length;

  /* behind a tie that uses up all places there is none left */
  const below = (card) => !rank(card) || better(card) >= last();

  function stands(card) {
    const tied = rank(card) && cards().some((other) => other !== card && rank(other) === rank(card));
    if (rank(card) && below(card)) return `below: ${last() === 1 ? "place 1 is" : `places 1 to ${last()} are`} taken`;
    if (tied) return `shares place ${rank(card)}`;
    if (rank(card) || !partial()) return "";
    return cards().some(rank) ? `below the best ${last()}` : "";
  }

  /* ---- what is seen ---- */
  function draw() {
    const focused = document.activeElement;
    for (const card of cards()) byId(`stands-${card.dataset.card}`).textContent = stands(card);
    for (const row of rows()) drawRow(row);
    if (focused?.classList.contains("chip")) focused.focus({ preventScroll: true });
    const placed = cards().filter(rank).length;
    byId("rank-state").textContent = placed >= last() ? words() : `${placed} of ${partial() ? `the best ${last()}` : last()} ${placed === 1 ? "has" : "have"} a place.`;
    byId("rank-note").hidden = true;
    byId("rank-state").hidden = false;
  }

  function drawRow(row) {
    const number = Number(row.dataset.place);
    const here = cards().filter((card) => rank(card) === number);
    const tail = document.createElement("span");
    tail.className = "mute t1";
    if (number && here.length > 1) tail.textContent = "tie";
    if (!number && here.length) tail.textContent = partial() ? "below" : "no place yet";
    const slot = document.createElement("span");
    slot.className = "slot t1 grow";
    slot.textContent = number ? free(number) : partial() ? "below" : "no place";
    row.querySelector(".row").replaceChildren(...here.map(chipOf), here.length ? tail : slot);
  }

  /* the digit of a place that a tie covers stays free */
  function free(number) {
    const tie = rows().map((row) => Number(row.dataset.place)).filter((other) => other && other < number).find((other) => {
      const sharing = cards().filter((card) => rank(card) === other).length;
      return sharing > 1 && other + sharing > number;
    });
    if (!tie) return "free";
    const sharing = cards().filter((card) => rank(card) === tie).length;
    return `free, because ${sharing} share place ${tie}`;
  }

  function chipOf(card) {
    if (chips.has(card)) return chips.get(card);
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.chip = card.dataset.card;
    chip.setAttribute("aria-label", `${letter(card)}: drag, or move it with the arrow keys up and down`);
    const name = document.createElement("span");
    name.className = "let";
    name.textContent = letter(card);
    chip.append(grip(), name);
    chips.set(card, chip);
    return chip;
  }

  function grip() {
    const dots = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    dots.setAttribute("class", "icon");
    dots.setAttribute("viewBox", "0 0 16 16");
    dots.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01");
    dots.append(path);
    return dots;
  }

  /* "A, then B and C, then the rest" */
  function words() {
    const named = rows().map((row) => Number(row.dataset.place)).filter(Boolean)
      .map((number) => join(cards().filter((card) => rank(card) === number && !below(card)).map(letter))).filter(Boolean);
    if (cards().some(below)) named.push("the rest");
    return named.length === 1 ? `${named[0]} tie.` : `${named.join(", then ")}.`;
  }

  function frame(card, focus) {
    if (!card) return;
    for (const other of cards()) other.classList.toggle("on", other === card);
    if (focus) card.focus();
  }

  /* ---- keys ---- */
  function digit(number) {
    if (number > last()) return false;
    const card = framed();
    place(card, rank(card) === number ? 0 : number);
    return true;
  }

  function next(toRight, event) {
    if (event.target.matches("input")) return false;
    const step = toRight === palate.desk.fromTheRight() ? -1 : 1;
    const at = cards().indexOf(framed()) + step;
    frame(cards()[Math.min(Math.max(at, 0), cards().length - 1)], true);
    return true;
  }

  /* in the list: the letter, up from "no place" to the last place; elsewhere: the text of the card in the frame */
  function upDown(by, event) {
    const chip = event.target.closest(".chip");
    if (!chip) return scroll(by * 48, event);
    const at = rank(cardOf(chip)) || last() + 1;
    const goal = Math.min(Math.max(at + by, 1), last() + 1);
    if (goal !== at) place(cardOf(chip), goal > last() ? 0 : goal);
    return true;
  }

  function scroll(by, event) {
    const read = framed().querySelector(".read");
    if (event.target.matches("input, .ask") || read.scrollHeight <= read.clientHeight) return false;
    read.scrollBy({ top: Math.abs(by) < 1 ? by * read.clientHeight : by });
    return true;
  }

  /* ---- before it is sent ---- */
  const given = () => cards().map(rank);

  function equalsOrderShown() {
    const levels = cards().map((card) => (below(card) ? Infinity : rank(card)));
    return levels.length >= ALIKE_FROM && levels[0] < levels.at(-1) && levels.every((level, at) => !at || levels[at - 1] <= level);
  }

  function warn(bold, soft) {
    const strong = document.createElement("b");
    strong.textContent = bold;
    byId("rank-note").querySelector("span").replaceChildren(strong, ` ${soft}`);
    byId("rank-note").hidden = false;
    byId("rank-state").hidden = true;
    return `${bold} ${soft}`;
  }

  function missing(answer) {
    const placed = cards().filter(rank).length;
    if (placed < last()) {
      frame(cards().find((card) => !rank(card)), false);
      if (!placed) return warn("No answer has a place yet.", "Press 1 for the best one, then 2 for the next. A digit may be used twice: that is a tie.");
      const without = cards().filter((card) => !rank(card)).map(letter);
      if (!partial()) return warn(`${join(without)} ${without.length > 1 ? "have" : "has"} no place yet.`, "A digit may be used twice: that is a tie.");
      return warn(`The best ${last()} need a place, and only ${placed} ${placed > 1 ? "have" : "has"} one.`, "A digit may be used twice: that is a tie.");
    }
    const order = given().join(",");
    const asked = answer.elements.as_shown;
    if (!equalsOrderShown() || asked.value === order) return "";
    /* A press of Send asks more than once whether something is missing; what counts as asked is the press before. */
    setTimeout(() => {
      if (form() !== answer || given().join(",") !== order) return;
      asked.value = order;
      palate.desk.warn("Look at your order");
    });
    return warn(`Your order is the order in which they were shown: ${words()}`, "Send again if you mean it, or press a digit to change it.");
  }

  /* ---- mouse, pen and touch ---- */
  function rowAt(x, y) {
    const box = desk().querySelector(".places").getBoundingClientRect();
    if (x < box.left - AROUND || x > box.right + AROUND || y < box.top - AROUND || y > box.bottom + AROUND) return null;
    const far = (row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return Math.max(top - y, y - bottom, 0);
    };
    return rows().reduce((nearest, row) => (far(row) < far(nearest) ? row : nearest));
  }

  function letGo() {
    if (!drag) return;
    drag.chip.style.translate = "";
    drag.chip.classList.remove("lifted");
    drag = null;
    if (desk()) for (const row of rows()) row.classList.remove("over");
  }

  document.addEventListener("pointerdown", (event) => {
    dragged = false;
    const chip = desk() && event.target.closest(".chip");
    if (!chip || event.button || drag) return;
    drag = { chip, id: event.pointerId, x: event.clientX, y: event.clientY, moved: false };
    chip.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(x, y) < FIRM) return;
    drag.moved = true;
    drag.chip.classList.add("lifted");
    drag.chip.style.translate = `${x}px ${y}px`;
    const over = rowAt(event.clientX, event.clientY);
    for (const row of rows()) row.classList.toggle("over", row === over);
  });
  document.addEventListener("pointerup", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const { chip, moved } = drag;
    const row = moved && rowAt(event.clientX, event.clientY);
    letGo();
    dragged = moved;
    const goal = row && Number(row.dataset.place);
    if (row && goal !== rank(cardOf(chip))) place(cardOf(chip), goal);
  });
  document.addEventListener("pointercancel", letGo);

  /* a digit that is pressed again is taken out: a radio button alone cannot do that */
  let before = 0;
  document.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".rank > .pane");
    if (card) before = rank(card);
  }, true);
  document.addEventListener("click", (event) => {
    if (!desk()) return;
    const chip = event.target.closest(".chip");
    if (chip && !dragged) frame(cardOf(chip), false);
    const input = event.target.closest(".digits input");
    if (!input) return;
    const card = input.closest(".pane");
    const again = event.detail > 0 && before === Number(input.value);
    before = 0;
    place(card, again ? 0 : Number(input.value));
    if (event.detail) card.focus({ preventScroll: true }); // so that arrow keys go to the next card, not the next digit
  });
  document.addEventListener("focusin", (event) => {
    if (!desk()) return;
    const chip = event.target.closest(".chip");
    frame(chip ? cardOf(chip) : event.target.closest(".rank > .pane"), false);
  });

  const keys = {
    0: () => place(framed(), 0),
    ArrowRight: (event) => next(true, event),
    ArrowLeft: (event) => next(false, event),
    ArrowDown: (event) => upDown(1, event),
    ArrowUp: (event) => upDown(-1, event),
    PageDown: (event) => scroll(0.85, event),
    PageUp: (event) => scroll(-0.85, event),
    Escape: () => Boolean(drag) && (letGo(), true),
  };
  for (let number = 1; number <= 9; number += 1) keys[number] = () => digit(number);

  palate.kinds.ranking = {
    keys,
    missing,
    restored: draw,
    begin() {
      for (const card of cards()) for (const input of digits(card)) input.tabIndex = -1; // Tab goes from card to card
      frame(cards()[0], false);
      draw();
    },
    end: letGo,
  };
})();
