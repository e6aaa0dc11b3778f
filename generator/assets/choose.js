/* Which frameworks a page shows, kept in the address. Rows that name their frameworks follow at once, and
   charts by an event. No figure changes: all are ratios to a fixed reference or stand alone. Without this
   script all frameworks are shown. */
(() => {
  "use strict";

  /* Whether something that concerns `slugs` is left out. A pair needs both where two or more are chosen; what
     nobody can choose, like the reference, always stays. */
  function rule(choices, chosen) {
    return (slugs) => {
      const known = slugs.filter((slug) => choices.has(slug));
      if (!chosen.size || !known.length) return false;
      return known.filter((slug) => chosen.has(slug)).length < Math.min(known.length, chosen.size);
    };
  }

  function apply(hides) {
    for (const row of document.querySelectorAll("tr[data-frameworks]")) row.hidden = hides(row.dataset.frameworks.split(" "));
    document.dispatchEvent(new CustomEvent("rt-chosen", { detail: hides }));
  }

  /* Who is shown, and of exactly two where they stand side by side. */
  function tell(box, ticked, count) {
    const names = ticked.map((input) => input.parentElement.textContent.trim());
    box.querySelector(".rt-chosen").textContent = names.length ? names.join(", ") : `all ${count}`;
    const pair = box.nextElementSibling;
    pair.hidden = names.length !== 2 || !box.dataset.pairs;
    if (pair.hidden) return;
    const link = pair.querySelector("a");
    link.href = `${box.dataset.pairs}/${ticked.map((input) => input.value).sort().join("-vs-")}.html`;
    link.textContent = `${names.join(" and ")} side by side`;
  }

  function prepare(box) {
    const inputs = [...box.querySelectorAll("input")];
    const choices = new Set(inputs.map((input) => input.value));
    const show = () => {
      const ticked = inputs.filter((input) => input.checked);
      tell(box, ticked, inputs.length);
      apply(rule(choices, new Set(ticked.map((input) => input.value))));
    };
    const keep = () => {
      const address = new URL(location.href);
      const slugs = inputs.filter((input) => input.checked).map((input) => input.value);
      if (slugs.length) address.searchParams.set("frameworks", slugs.join("."));
      else address.searchParams.delete("frameworks");
      history.replaceState(history.state, "", address);
      show();
    };
    const asked = new Set((new URL(location.href).searchParams.get("frameworks") ?? "").split("."));
    for (const input of inputs) {
      input.checked = asked.has(input.value);
      input.addEventListener("change", keep);
    }
    box.querySelector(".rt-reset").addEventListener("click", () => {
      for (const input of inputs) input.checked = false;
      keep();
    });
    show();
  }

  function enter() {
    const box = document.querySelector(".rt-choose");
    if (box) prepare(box);
    else apply(() => false);
  }

  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
