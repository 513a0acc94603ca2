/* The page Import: dropping a file, how much of it is sent, and its size before anything is. Works without. */
"use strict";

(() => {
  const form = document.getElementById("send");
  if (!form) return;
  const limit = Number(form.dataset.limit);

  const field = () => document.getElementById("id_file");
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

  function say(words) {
    const line = document.getElementById("file-problem");
    line.textContent = words;
    line.hidden = !words;
    field().setAttribute("aria-invalid", words ? "true" : "false");
  }

  /* a file that is too large is refused before minutes are spent on sending it */
  function fits() {
    const file = field().files[0];
    const wrong = file && file.size > limit ? `${file.name} has ${megabytes(file.size)}, and ${megabytes(limit)} can be sent.` : "";
    field().setCustomValidity(wrong);
    say(wrong);
    return !wrong;
  }

  form.addEventListener("change", (event) => {
    if (event.target.id === "id_file") fits();
  });

  const zone = (event) => event.target.closest?.(".drop");
  for (const name of ["dragenter", "dragover"]) {
    form.addEventListener(name, (event) => {
      if (!zone(event) || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone(event).classList.add("over");
    });
  }
  form.addEventListener("dragleave", (event) => zone(event)?.classList.remove("over"));
  form.addEventListener("drop", (event) => {
    const target = zone(event);
    if (!target) return;
    event.preventDefault();
    target.classList.remove("over");
    if (event.dataTransfer.files.length > 1) {
      say("One file at a time: drop one, import it, then the next.");
      return;
    }
    if (!event.dataTransfer.files.length) return;
    field().files = event.dataTransfer.files;
    if (fits()) form.requestSubmit();
  });
  /* a file that misses the field would open in place of the page */
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }

  form.addEventListener("htmx:xhr:progress", (event) => {
    const { loaded, total, lengthComputable } = event.detail;
    const shown = document.getElementById("sending");
    if (!lengthComputable || !shown || total < 2 ** 18) return;
    shown.hidden = false;
    const bar = shown.querySelector("progress");
    bar.max = total;
    bar.value = loaded;
    shown.querySelector("[role=status]").textContent =
      loaded < total ? `${megabytes(loaded)} of ${megabytes(total)} sent` : "Sent. It is read now.";
  });
})();
