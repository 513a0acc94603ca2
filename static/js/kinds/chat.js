/* chat: looks for more of the two answers while they are written, and sends picks and messages. Without this file the
   page is a form that has to be loaded again to show more. */
"use strict";

(() => {
  const { palate } = window;
  const LOOK = 300; // milliseconds between two looks
  const HIDDEN = 2000; // while nobody looks at the page
  const LONGEST = 10000; // while there is no connection

  const byId = (id) => document.getElementById(id);
  const form = () => byId("answer");
  const talk = () => document.querySelector("#desk .talk");
  const phase = () => talk()?.dataset.phase;
  const message = () => byId("message");
  const chosen = () => form()?.querySelector('input[name="strength"]:checked');
  const goesOn = () => form()?.querySelector('input[name="continues"]:checked');
  const WORDS = { waiting: "waiting", writing: "writing", complete: "complete", cut: "cut at its limit", stopped: "stopped", failed: "failed" };

  let timer = 0;
  let failures = 0;

  /* ---- the answers, as they come ---- */
  function lookSoon(wait) {
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  }

  async function look() {
    const at = talk();
    if (!at || at.dataset.phase !== "writing") return;
    const { url, turn, shown } = at.dataset;
    try {
      const answer = await fetch(`${url}?turn=${turn}&shown=${shown}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (talk() !== at) return; // the desk has changed meanwhile
      if (answer.redirected || !answer.ok) throw new Error(answer.status);
      draw(at, await answer.json());
      failures = 0;
    } catch {
      failures += 1;
      if (failures === 3) palate.desk.warn("No connection: waiting");
    }
    lookSoon(failures ? Math.min(LOOK * 2 ** failures, LONGEST) : document.hidden ? HIDDEN : LOOK);
  }

  function draw(at, page) {
    if (page.moved) return void location.reload(); // another tab went on; drafts are kept
    at.dataset.shown = page.shown;
    for (const reply of page.replies) drawReply(at.querySelector(`.pane[data-side="${reply.side}"]`), reply);
    const whole = page.replies.every((reply) => !["waiting", "writing"].includes(reply.state));
    if (page.phase !== "writing" && whole) at.dataset.phase = page.phase;
    byId("chat-hint").textContent = hint(page.waiting);
    dress();
  }

  function drawReply(pane, reply) {
    const read = pane.querySelector(".read");
    if (read.dataset.html !== reply.html) {
      const down = read.scrollHeight - read.clientHeight - read.scrollTop < 40;
      read.innerHTML = reply.html; // Markdown that the server has made safe, as in every other pane
      read.dataset.html = reply.html;
      if (down && reply.state === "writing") read.scrollTop = read.scrollHeight;
    }
    if (pane.dataset.state !== reply.state && !["waiting", "writing"].includes(reply.state)) {
      palate.desk.say(`Answer ${reply.letter}: ${reply.error || WORDS[reply.state]}.`);
      read.removeAttribute("aria-busy");
    }
    pane.dataset.state = reply.state;
    pane.querySelector(".state").textContent = WORDS[reply.state];
    const failed = pane.querySelector(".failed");
    failed.hidden = !reply.error;
    failed.querySelector("span").textContent = reply.error;
  }

  function hint(waiting) {
    if (phase() === "failed") return "An answer is missing: press Try again.";
    if (phase() === "writing") return waiting || "Both answers appear at the same pace, so that speed does not sway you. You can choose and type already.";
    return "Enter sends, Shift and Enter begins a new line.";
  }

  /* ---- what the buttons say ---- */
  function letter() {
    const value = chosen()?.value;
    if (!value || value === "both_bad") return "";
    if (value === "0") return goesOn()?.value.toUpperCase() || "";
    return Number(value) > 0 ? "A" : "B";
  }

  function dress() {
    if (!form() || !talk()) return;
    const asked = ["writing", "ready", "failed"].includes(phase());
    const tie = chosen()?.value === "0";
    if (byId("chat-stop-button")) byId("chat-stop-button").hidden = phase() !== "writing";
    if (byId("chat-again-button")) byId("chat-again-button").hidden = phase() !== "failed";
    const seg = form().querySelector(".goes-on");
    if (seg) seg.hidden = !tie;
    const send = byId("send");
    if (!send || !asked) return;
    byId("send-words").textContent = chosen()?.value === "both_bad" ? "Two new answers" : letter() ? `Continue with ${letter()}` : "Continue";
    send.setAttribute("aria-disabled", String(phase() !== "ready"));
    grow();
  }

  function grow() {
    const text = message();
    if (!text) return;
    text.rows = Math.min(8, Math.max(1, text.value.split("\n").length));
  }

  /* ---- sending ---- */
  function missing(answer) {
    const ending = byId("chat-action").value === "end";
    const asked = ["writing", "ready", "failed"].includes(phase());
    if (ending && (!asked || !chosen())) return "";
    if (asked) {
      const bar = answer.querySelector(".strength");
      bar.classList.toggle("missing", !chosen());
      if (!chosen()) return "Choose first: f or j picks a side, space is a tie, x is both bad.";
      if (phase() === "writing") return "An answer is still being written. Send when both are complete, or stop both with Escape.";
      if (phase() === "failed") return "An answer is missing. Press Try again.";
      if (!letter() && chosen().value !== "both_bad") return "A tie: 1 goes on from A, 2 from B.";
      if (ending || chosen().value === "both_bad") return "";
    }
    if (message().value.trim()) return "";
    message().focus();
    return "Write your message first.";
  }

  function go(action) {
    byId("chat-action").value = action; // the button that ends has this name too
    palate.desk.send();
    /* what stopped it is told on the page as well as by voice */
    const words = missing(form());
    if (words) byId("chat-hint").textContent = words;
  }

  /* goes on behind what is there already */
  function type() {
    const text = message();
    if (!text) return false;
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
    return true;
  }

  function end() {
    const button = byId("chat-end");
    if (!button || button.hidden) return false;
    go("end");
    return true;
  }

  function stop() {
    if (phase() !== "writing") return false;
    byId("chat-stop").requestSubmit();
    palate.desk.say("Stopping both answers.");
    return true;
  }

  function pickSide(number) {
    const input = form().querySelectorAll('input[name="continues"]')[number];
    if (!input || chosen()?.value !== "0") return false;
    input.click();
    palate.desk.say(`Goes on from ${"AB"[number]}`);
    return true;
  }

  document.addEventListener("change", (event) => {
    if (!talk() || event.target.form !== form()) return;
    if (event.target.name === "strength") form().querySelector(".strength")?.classList.remove("missing");
    dress();
  });
  document.addEventListener("input", (event) => {
    if (talk() && event.target === message()) grow();
  });
  document.addEventListener("click", (event) => {
    if (!talk()) return;
    const button = event.target.closest("#send, #chat-end");
    if (!button) return;
    event.preventDefault();
    go(button.id === "send" ? "continue" : "end");
  });
  document.addEventListener("keydown", (event) => {
    if (!talk() || event.target !== message() || event.key !== "Enter") return;
    if (event.shiftKey || event.altKey || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    go("continue");
  }, { capture: true });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && phase() === "writing") lookSoon(0);
  });

  palate.kinds.chat = {
    part: () => talk()?.dataset.turn, // each turn has a draft of its own
    keys: {
      ...palate.strength.keys,
      1: () => pickSide(0),
      2: () => pickSide(1),
      i: type,
      e: end,
      Escape: stop,
      Enter: () => go("continue"),
    },
    missing,
    restored: dress,
    begin() {
      failures = 0;
      for (const state of document.querySelectorAll("#desk .pane .state")) state.textContent = WORDS[state.textContent] || state.textContent;
      dress();
      const thread = document.querySelector("#desk .thread");
      if (thread) thread.scrollTop = thread.scrollHeight;
      if (phase() === "first" || phase() === "picked") type();
      if (phase() === "writing") lookSoon(LOOK);
    },
    end: () => clearTimeout(timer),
  };
})();
