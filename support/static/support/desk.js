/* Shortcuts and comfort for the ticket page; everything works without it. */
(() => {
  const desk = document.querySelector(".desk");
  if (!desk) return;
  const queue = desk.querySelector(".desk-queue");
  const form = desk.querySelector(".desk-reply");

  // A choice is a decision: no second press.
  for (const small of desk.querySelectorAll("form[data-autosubmit]")) {
    small.querySelector("button").hidden = true;
    small.querySelector("select").addEventListener("change", () => small.submit());
  }

  // The queue stays open or closed as it was left; where it stands above the conversation it starts closed.
  const beside = desk.clientWidth >= 1024;
  if (!beside || localStorage.getItem("desk-queue") === "closed") queue.open = false;
  queue.querySelector("summary").addEventListener("click", () => {
    if (beside) localStorage.setItem("desk-queue", queue.open ? "closed" : "open");
  });

  // A draft outlives a closed tab; it is forgotten once it is sent.
  const text = form && form.elements.text;
  const draft = `desk-draft-${desk.dataset.ticket}`;
  if (text) {
    if (!text.value) text.value = localStorage.getItem(draft) || "";
    text.addEventListener("input", () =>
      text.value ? localStorage.setItem(draft, text.value) : localStorage.removeItem(draft));
    form.addEventListener("submit", () => localStorage.removeItem(draft));
  }

  const write = (kind) => {
    if (!form) return;
    form.querySelector(`[name=kind][value=${kind}]`).checked = true;
    text.focus();
  };
  const move = (step) => {
    const links = [...queue.querySelectorAll("ol a")];
    const here = links.findIndex((link) => link.getAttribute("aria-current"));
    const next = here < 0 ? links[0] : links[here + step];
    if (next) next.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
    const act = { r: () => write("reply"), n: () => write("note"), j: () => move(1), k: () => move(-1) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
})();
