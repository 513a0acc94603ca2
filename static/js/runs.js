/* Pages that refresh themselves: what a person has opened, and where they are in the log, outlives a refresh. */
"use strict";

(() => {
  let opened = [];
  let read = null;

  /* the same disclosure is told by its words and by how many of these words came before it */
  function named(root) {
    const seen = {};
    return [...root.querySelectorAll("details")].map((box) => {
      const words = box.querySelector("summary")?.textContent.replace(/\d[\d,]*/g, "") || "";
      seen[words] = (seen[words] || 0) + 1;
      return [`${words} ${seen[words]}`, box];
    });
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "live") return;
    opened = named(event.detail.target).filter(([, box]) => box.open).map(([name]) => name);
    const log = event.detail.target.querySelector("[data-follow]");
    const atEnd = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    read = atEnd ? null : log.scrollTop;
  });

  document.addEventListener("htmx:afterSettle", () => {
    const live = document.getElementById("live");
    if (!live) return;
    for (const [name, box] of named(live)) if (opened.includes(name)) box.open = true;
    const log = live.querySelector("[data-follow]");
    if (log && read !== null) log.scrollTop = read;
  });
})();
