/* The dataset builder: the slider beside its number, and which fields are wrong after a preview. */
"use strict";

(() => {
  function start(root) {
    for (const slider of root.querySelectorAll("[data-sets]")) slider.hidden = false; // without script there is the number alone
  }

  document.addEventListener("input", (event) => {
    const slider = event.target.closest?.("[data-sets]");
    if (slider) document.getElementById(slider.dataset.sets).value = slider.value;
    else {
      const own = document.querySelector(`[data-sets="${event.target.id}"]`);
      if (own && event.target.value) own.value = event.target.value;
    }
  });

  /* a preview brings the sentences of all fields; the fields have to be told */
  function mark() {
    for (const field of document.querySelectorAll(".recipe [aria-describedby]")) {
      const wrong = field.getAttribute("aria-describedby").split(" ").some((id) => id.startsWith("e-") && document.getElementById(id)?.textContent);
      if (wrong) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
    const freeze = document.getElementById("freeze"), preview = document.getElementById("preview");
    if (freeze && preview) freeze.disabled = "refused" in preview.dataset;
  }

  document.addEventListener("htmx:afterSettle", () => { start(document); mark(); });
  document.addEventListener("DOMContentLoaded", () => start(document));
  if (document.readyState !== "loading") start(document);
})();
