/* Picks frameworks for a case: what is asked stands in the address, what is known in the page. */
(() => {
  "use strict";

  const NEEDS = {
    polling: "no long-polling",
    plain: "only Socket.IO clients can connect",
    spans: "a room ends at its process",
  };

  function anchor(text, href) {
    const made = document.createElement("a");
    made.href = href;
    made.textContent = text;
    return made;
  }

  const link = (one) => anchor(one.title, `frameworks/${one.slug}.html`);

  /* Of the loads under which it was measured, the one with the most similar number of users. */
  function nearest(loads, users) {
    const distance = (load) => Math.abs(Math.log(load.users / users));
    return loads.reduce((best, load) => (best && distance(best) <= distance(load) ? best : load), null);
  }

  /* What the case takes of a core, and the ends of its interval: measured, or in proportion to users and updates. */
  function cores(one, users, rate) {
    const load = nearest(one.loads, users);
    if (!load) return null;
    const factor = (users * rate) / (load.users * load.updates_per_s * 100);
    const [low, high] = (load.interval ?? [null, null]).map((end) => (end === null ? null : factor * end));
    const measured = users === load.users && rate === load.updates_per_s;
    return { load, measured, mean: factor * load.cpu_percent, low, high };
  }

  const told = (value) => String(Number(value.toPrecision(3)));

  /* A share of a core in percent, as in the tables; more than one core in cores. */
  function share({ load, measured, mean, low, high }) {
    const [unit, scale] = mean < 1 ? [" % of a core", 100] : [" cores", 1];
    const sure = low === null ? "one round only" : `95 % interval ${told(scale * low)} to ${told(scale * high)}, ${load.rounds} rounds`;
    return `${measured ? "" : "about "}${told(scale * mean)}${unit} (${load.variant}; ${sure})`;
  }

  /* What is known of a framework for an application such as this: by the variants that stand in it. */
  const within = (one, stack) => ({ ...one, loads: one.loads[stack] ?? [], searched: one.searched[stack] ?? null });

  function objections(one, asked) {
    const found = [];
    if (asked.stack && !one.stacks.includes(asked.stack)) found.push("does not stand in such an application");
    for (const [need, words] of Object.entries(NEEDS)) {
      if (asked[need] && one[need] === false) found.push(words);
    }
    return found;
  }

  /* Whether a search saw a variant fail under no more than what is asked; searches are of one update per second. */
  function wasBroken(one, asked) {
    const breaks = one.searched?.breaks ?? null;
    return asked.rate === "1" && breaks !== null && breaks <= Number(asked.users);
  }

  /* The p99 up to which a load counts as withstood, where the very case was measured and has one. */
  function limit(one, estimate) {
    return estimate?.measured && estimate.load.late_percentile === 99 ? one.limit_ms : null;
  }

  /* Whether one core was seen to fail: in just this case, or else in a search, which is of one variant. */
  function isTooMuch(one, asked, estimate) {
    const most = limit(one, estimate);
    return most === null ? wasBroken(one, asked) : estimate.load.late_ms >= most;
  }

  function reasons(one, asked, estimate) {
    const found = [];
    if (estimate) {
      const { load, measured } = estimate;
      found.push(share(estimate));
      const most = limit(one, estimate);
      const beyond = most !== null && load.late_ms >= most ? `, where ${most} ms are the most` : "";
      if (measured && load.late_ms !== null) found.push(`${load.late_percentile} of 100 updates were answered within ${told(load.late_ms)} ms${beyond}`);
    } else found.push("its cost under the dashboard was not measured");
    const searched = asked.rate === "1" ? one.searched : null;
    if (searched && searched.withstands !== null && searched.withstands >= Number(asked.users)) {
      found.push(`one core is enough for ${searched.withstands.toLocaleString("en")} users (${searched.variant})`);
    } else if (wasBroken(one, asked)) {
      const enough = searched.withstands ? `, enough for ${searched.withstands.toLocaleString("en")}` : "";
      found.push(`one core is too little for ${searched.breaks.toLocaleString("en")} users${enough} (${searched.variant})`);
    }
    for (const need of Object.keys(NEEDS)) {
      if (asked[need] && one[need] === null) found.push(`not established: ${{ polling: "long-polling", plain: "plain WebSocket clients", spans: "rooms across processes" }[need]}`);
    }
    return found;
  }

  /* Where the figure, the file behind it and the app stand. */
  function proofs(one, load) {
    const found = [];
    if (load) found.push(anchor("figure", `workloads/${load.workload}.html#${load.anchor}`), anchor("raw file", `data/${load.raw}`));
    if (one.searched) found.push(anchor("capacity", `workloads/capacity.html#${one.searched.anchor}`), anchor("raw file of the search", `data/${one.searched.raw}`));
    const places = document.createElement("small");
    const file = load?.module ? `code-${load.module}` : "code";
    [...found, anchor("code", `frameworks/${one.slug}.html#${file}`)].forEach((place, index) => places.append(index ? " · " : "", place));
    return places;
  }

  /* How many of the cheapest have intervals that reach into that of the first. That alone makes no tie. */
  function overlapping(left) {
    const best = left[0]?.estimate;
    if (!best || best.high === null) return 0;
    const others = left.filter(({ fails }) => fails === left[0].fails);
    return others.filter(({ estimate }) => estimate && estimate.low !== null && estimate.low <= best.high).length;
  }

  function verdict(left, count) {
    if (!left.length) return "None of them fits all of that.";
    if (left.length > 1 && !left[0].estimate) return `${left.length} of ${count} fit. What they cost under the dashboard was not measured.`;
    const equals = overlapping(left);
    const among = left.filter(({ fails }) => !fails).length;
    const able = among === 0 ? "can do that at all" : left.length === 1 ? "fits" : "fit";
    const failing = among === left.length ? "" : among ? ` With ${left.length - among} of them one core was seen to be too little; these come last.` : ` With ${left.length === 1 ? "it" : "each of them"} one core was seen to be too little; what more cores would do was not measured under this load.`;
    if (left.length === 1) return `1 of ${count} ${able}.${failing}`;
    const words = equals > 1 ? `In CPU the intervals of ${equals === left.length ? "all" : `the first ${equals}`} overlap; the page of a pair compares them round by round` : "The first takes the least CPU";
    return `${left.length} of ${count} ${able}. ${words}.${failing}`;
  }

  /* Who is left out, by what speaks against them. */
  function leftOut(out) {
    const byReason = new Map();
    for (const { one, against } of out) {
      const why = against.join(", ");
      byReason.set(why, [...(byReason.get(why) ?? []), one]);
    }
    return [...byReason].map(([why, ones]) => {
      const line = document.createElement("p");
      line.className = "rt-note";
      line.append(`Left out, ${why}: `);
      ones.forEach((one, index) => line.append(index ? ", " : "", link(one)));
      line.append(".");
      return line;
    });
  }

  function show(form, target, known) {
    const asked = Object.fromEntries(new FormData(form));
    const left = [];
    const out = [];
    for (const any of known) {
      const one = within(any, asked.stack);
      const against = objections(one, asked);
      if (against.length) out.push({ one, against });
      else {
        const estimate = cores(one, Number(asked.users), Number(asked.rate));
        left.push({ one, estimate, fails: isTooMuch(one, asked, estimate) });
      }
    }
    left.sort((a, b) => a.fails - b.fails || (a.estimate?.mean ?? Infinity) - (b.estimate?.mean ?? Infinity));
    target.replaceChildren();
    const head = document.createElement("p");
    head.className = "rt-verdict";
    head.append(verdict(left, known.length));
    const list = document.createElement("ol");
    list.className = "rt-plain";
    for (const { one, estimate } of left) {
      const item = document.createElement("li");
      const name = document.createElement("strong");
      name.append(link(one));
      item.append(name, `: ${reasons(one, asked, estimate).join("; ")}. `, proofs(one, estimate?.load));
      list.append(item);
    }
    target.append(head, list);
    if (out.length) target.append(...leftOut(out));
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
