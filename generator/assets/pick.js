/* Picks frameworks for a case: what is asked stands in the address, what is known in the page. */
(() => {
  "use strict";

  const NEEDS = {
    polling: "no long-polling",
    plain: "only Socket.IO clients can connect",
    spans: "a room ends at its process",
  };

  const link = (one) => {
    const anchor = document.createElement("a");
    anchor.href = `frameworks/${one.slug}.html`;
    anchor.textContent = one.title;
    return anchor;
  };

  function cores(one, users, rate) {
    const load = one.load;
    return load && (users * rate * load.cpu_percent) / (load.users * load.updates_per_s * 100);
  }

  function objections(one, asked) {
    const found = [];
    if (asked.stack && !one.stacks.includes(asked.stack)) found.push("does not stand in such an application");
    for (const [need, words] of Object.entries(NEEDS)) {
      if (asked[need] && one[need] === false) found.push(words);
    }
    return found;
  }

  function reasons(one, asked, estimate) {
    const found = [];
    if (estimate !== null && estimate !== undefined) {
      const told = estimate < 0.01 ? "less than 0.01" : estimate.toPrecision(2);
      found.push(`about ${Number(told) >= 0 ? Number(told) : told} cores for this load (${one.load.variant})`);
    } else found.push("its cost under the dashboard was not measured");
    const users = Number(asked.users);
    if (asked.rate === "1" && one.withstands !== null && one.withstands >= users) {
      found.push(`one core withstands ${one.withstands.toLocaleString("en")} dashboard users`);
    } else if (asked.rate === "1" && one.breaks !== null && one.breaks <= users) {
      found.push(`one core does not withstand ${one.breaks.toLocaleString("en")} dashboard users${one.spans ? ", but a room spans processes" : ""}`);
    }
    for (const need of Object.keys(NEEDS)) {
      if (asked[need] && one[need] === null) found.push(`not established: ${{ polling: "long-polling", plain: "plain WebSocket clients", spans: "rooms across processes" }[need]}`);
    }
    return found;
  }

  function show(form, target, known) {
    const asked = Object.fromEntries(new FormData(form));
    const left = [];
    const out = [];
    for (const one of known) {
      const against = objections(one, asked);
      if (against.length) out.push({ one, against });
      else left.push({ one, estimate: cores(one, Number(asked.users), Number(asked.rate)) });
    }
    left.sort((a, b) => (a.estimate ?? Infinity) - (b.estimate ?? Infinity));
    target.replaceChildren();
    const head = document.createElement("p");
    head.className = "rt-verdict";
    head.append(left.length ? `${left.length} of ${known.length} fit. The first cost least.` : "None of them fits all of that.");
    const list = document.createElement("ol");
    list.className = "rt-plain";
    for (const { one, estimate } of left) {
      const item = document.createElement("li");
      const name = document.createElement("strong");
      name.append(link(one));
      item.append(name, `: ${reasons(one, asked, estimate).join("; ")}.`);
      list.append(item);
    }
    target.append(head, list);
    if (out.length) {
      const rest = document.createElement("p");
      rest.className = "rt-note";
      rest.append("Left out: ");
      out.forEach(({ one, against }, index) => rest.append(index ? "; " : "", link(one), ` (${against.join(", ")})`));
      rest.append(".");
      target.append(rest);
    }
  }

  function prepare(form) {
    if (form.dataset.ready) return;
    form.dataset.ready = "yes";
    const target = document.querySelector(".rt-picked");
    const script = document.querySelector("template.rt-pick-data").content.querySelector("script");
    const known = JSON.parse(script.textContent);
    const before = Object.fromEntries(new FormData(form));
    for (const [name, value] of new URL(location.href).searchParams) {
      const field = form.elements.namedItem(name);
      if (field && [...field.options].some((option) => option.value === value)) field.value = value;
    }
    form.addEventListener("change", () => {
      const address = new URL(location.href);
      for (const [name, value] of new FormData(form)) {
        if (value === before[name]) address.searchParams.delete(name);
        else address.searchParams.set(name, value);
      }
      history.replaceState(history.state, "", address);
      show(form, target, known);
    });
    form.hidden = false;
    show(form, target, known);
  }

  const enter = () => document.querySelectorAll("form.rt-pick").forEach(prepare);
  /* From a folder there is no instant navigation, and Material's stream of pages ends before the first one. */
  if (location.protocol === "file:") enter();
  else document$.subscribe(enter);
})();
