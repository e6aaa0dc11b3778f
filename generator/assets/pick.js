/* Picks frameworks for a case: what is asked stands in the address, each field by its name, what is known in the page. */
(() => {
  "use strict";

  const NEEDS = {
    polling: "no long-polling",
    plain: "only Socket.IO clients can connect",
    spans: "a room ends at its process",
    sse: "no server-sent events",
  };

  const TITLES = { polling: "long-polling", plain: "plain WebSocket clients", spans: "rooms across processes", sse: "server-sent events" };

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
    const [low, high] = load.interval.map((end) => factor * end);
    const measured = users === load.users && rate === load.updates_per_s;
    return { load, measured, mean: factor * load.cpu_percent, low, high };
  }

  const told = (value) => String(Number(value.toPrecision(3)));

  const often = ({ snapshots_per_s: count }) => (count === 1 ? "one snapshot per second" : `${told(count)} snapshots per second`);

  /* A share of a core in percent, as in the tables; more than one core in cores. */
  function share({ load, measured, mean, low, high }) {
    const [unit, scale] = mean < 1 ? ["\u00a0% of a core", 100] : ["\u00a0cores", 1];
    const sure = `95\u00a0% interval ${told(scale * low)} to ${told(scale * high)}, ${load.rounds} rounds`;
    return `${measured ? "" : "about "}${told(scale * mean)}${unit}${load.with_broker ? ", its broker included" : ""} (${load.variant}, ${often(load)}; ${sure})`;
  }

  /* What is known of a framework for a case such as this, by its headline variant; what speaks against it, and which
     needs it fulfils only with code of one's own, or may not. A degree is 1, 0.5, 0, or null where not determined. */
  function within(one, asked) {
    const needs = Object.keys(NEEDS).filter((need) => asked[need]);
    const setup = one.setup;
    const loads = (setup?.loads ?? []).map((load) => ({ ...load, variant: setup.slug, module: setup.module }));
    return {
      ...one,
      against: objections(one, asked.stack, needs),
      unsure: needs.filter((need) => setup?.[need] === null),
      own: needs.filter((need) => setup?.[need] > 0 && setup[need] < 1),
      loads,
      uncounted: setup?.uncounted ?? [],
      searchUncounted: setup?.search_uncounted ?? null,
      searched: setup?.searched ? { ...setup.searched, variant: setup.slug } : null,
    };
  }

  function objections({ setup, elsewhere }, stack, needs) {
    if (!setup) return ["no headline variant is declared or measured"];
    if (stack && !setup.stacks.includes(stack))
      return [elsewhere.includes(stack) ? "only another setup of it can be part of yours" : "needs an application of its own, beside yours"];
    return needs.filter((need) => setup[need] === 0).map((need) => NEEDS[need]);
  }

  /* Whether a search, of one update per second, saw a variant fail under no more than what is asked. */
  function wasBroken(one, asked) {
    const fails_at = one.searched?.fails_at ?? null;
    return Number(asked.rate) >= 1 && fails_at !== null && fails_at <= Number(asked.users);
  }

  /* The most users, no more than are asked for, with whom it was measured, where their p99 is beyond what counts as enough. */
  function wasLate(one, asked) {
    const known = one.loads.filter((load) => load.users <= Number(asked.users) && load.updates_per_s <= Number(asked.rate));
    const most = known.at(-1);
    return most && isLate(one, most) ? most : null;
  }

  const isLate = (one, load) => load.late_percentile === 99 && one.limit_ms !== null && load.late_ms >= one.limit_ms;

  /* Whether it was seen to fail: where just this case was measured, in it, else in less or in a search. */
  function isTooMuch(one, asked, estimate) {
    if (estimate?.measured && estimate.load.late_percentile === 99 && one.limit_ms !== null) return wasLate(one, asked) !== null;
    return wasLate(one, asked) !== null || wasBroken(one, asked);
  }

  /* Whether the estimate is above the cores that the reader has. */
  const isOver = (estimate, asked) => Boolean(asked.cores && estimate && estimate.mean > Number(asked.cores));

  /* How late the answers were under a load. */
  function lateness(one, load) {
    return `${load.late_percentile} of 100 updates were answered within ${told(load.late_ms)}\u00a0ms${isLate(one, load) ? `, beyond the ${one.limit_ms}\u00a0ms that count as enough` : ""}`;
  }

  function reasons(one, asked, estimate) {
    const found = [];
    if (estimate) {
      found.push(share(estimate));
      const late = wasLate(one, asked);
      if (estimate.measured && estimate.load.late_ms !== null) found.push(lateness(one, estimate.load));
      else if (late) found.push(`with ${late.users.toLocaleString("en")} users ${lateness(one, late)}`);
    } else if (!one.uncounted.length) found.push("its cost under the dashboard was not measured");
    for (const load of one.uncounted) found.push(`what was measured with ${load.users.toLocaleString("en")} users does not count (${load.why})`);
    const { searched } = one;
    const many = (count) => `${count.toLocaleString("en")} users`;
    if (asked.rate === "1" && searched && searched.sustains !== null && searched.sustains >= Number(asked.users)) {
      found.push(`on one core half of all attempts with ${many(searched.sustains)} or more succeed (${searched.variant})`);
    } else if (wasBroken(one, asked)) {
      const enough = searched.sustains ? `, and of those with ${searched.sustains.toLocaleString("en")} half or more` : "";
      const slower = asked.rate === "1" ? "" : ", at one update per second";
      found.push(`one core is too little for ${many(searched.fails_at)}: fewer than half of all attempts succeed${enough}${slower} (${searched.variant})`);
    }
    if (one.searchUncounted) found.push(`its capacity does not count (${one.searchUncounted})`);
    if (isOver(estimate, asked)) found.push(`by this estimate it needs more than your ${asked.cores === "1" ? "one core" : `${asked.cores} cores`}`);
    for (const need of one.own) found.push(`${TITLES[need]}: with code of your own`);
    for (const need of one.unsure) found.push(`not determined: ${TITLES[need]}`);
    for (const flag of one.flags) found.push(`flag: ${flag.toLowerCase()}`);
    return found;
  }

  /* Links to the value, the file behind it and the app. */
  function proofs(one, load) {
    const found = [];
    if (load) found.push(anchor("value", `tests/${load.workload}.html#${load.anchor}`), anchor("raw file", `data/${load.raw}`));
    if (one.searched) found.push(anchor("capacity", `tests/capacity.html#${one.searched.anchor}`), anchor("raw file of the search", `data/${one.searched.raw}`));
    const places = document.createElement("small");
    const file = load?.module ? `code-${load.module}` : "code";
    [...found, anchor("code", `frameworks/${one.slug}/code.html#${file}`)].forEach((place, index) => places.append(index ? " · " : "", place));
    return places;
  }

  /* Those without a flag that keep up like the first, other than the first. */
  const rivals = (left) => left.slice(1).filter(({ one, fails }) => fails === left[0].fails && !one.flags.length);

  /* How many of them are not decided against the first: by the outcomes of the table of the first, if they are in it. */
  function undecided(left) {
    const { load } = left[0].estimate;
    const isSame = (other) => other.workload === load.workload && other.users === load.users;
    return rivals(left).filter(({ one, estimate }) => estimate && !(isSame(estimate.load) && load.cheaper_than.includes(one.slug)));
  }

  /* How many cores were seen to be too few: those of the load that was late, or the one of a search. */
  function tooFew(left, asked) {
    const most = Math.max(...left.filter(({ fails }) => fails).map(({ one }) => wasLate(one, asked)?.cores ?? 1));
    return most > 1 ? `${most} cores were seen to be too few` : "one core was seen to be too little";
  }

  function verdict(left, count, asked) {
    const said = document.createElement("p");
    said.className = "rt-verdict";
    const first = left[0]?.one;
    const these = left.length === 1 ? "it" : "each of them";
    const failing = left.filter(({ fails }) => fails).length;
    const tooLittle = failing ? tooFew(left, asked) : "";
    if (!left.length) said.append("None of them fits all of that.");
    else if (failing === left.length) said.append(`${left.length} of ${count} can be used there, but with ${these} ${tooLittle} for a p99 below ${first.limit_ms}\u00a0ms with nothing lost. More cores were not tried.`);
    else said.append(`${left.length} of ${count} ${left.length === 1 ? "fits" : "fit"}.`);
    if (left.length < 2) return said;
    const compared = left[0].estimate && !left[0].one.flags.length;
    const equals = compared ? undecided(left) : [];
    const known = compared ? rivals(left).filter(({ estimate }) => estimate).length : 0;
    if (!left[0].estimate) said.append(" What they cost under the dashboard was not measured, or does not count.");
    else if (left[0].one.flags.length) said.append(" Those that keep up all have a flag.");
    else if (!known) said.append(" The cost of the first can be compared with that of no other without a flag.");
    else if (equals.length) {
      const pair = [first, equals[0].one].map(({ slug }) => slug).sort().join("-vs-");
      said.append(` In CPU ${equals.length === known ? "none of the others differs" : `${equals.length} of the others ${equals.length === 1 ? "does" : "do"} not differ`} surely from the first; the nearest: `, anchor(`${first.title} and ${equals[0].one.title}`, `compare/${pair}.html`), ".");
    } else said.append(` ${left[0].estimate.measured ? "The first surely" : "By these estimates the first"} takes the least CPU${left.some(({ one }) => one.flags.length) ? " of those without a flag; flagged ones come last" : ""}.`);
    const uncosted = left.filter(({ estimate }) => !estimate).length;
    if (uncosted && left[0].estimate) said.append(` Of ${uncosted} no cost counts; they come after those that are as good otherwise.`);
    if (failing && failing < left.length) said.append(` With ${failing} of them ${tooLittle}; these come last.`);
    return said;
  }

  /* How sure the order of the first is, in the words of the other pages; `null` where there is none. */
  function sureness(left, asked) {
    if (left.length < 2) return null;
    const [{ one, estimate, fails }] = left;
    if (!estimate || fails || one.flags.length || isOver(estimate, asked)) return "can't say yet";
    const others = rivals(left);
    if (!others.some((other) => other.estimate)) return "can't say yet";
    return undecided(left).length || !estimate.measured || others.some((other) => !other.estimate) ? "likely" : "clearly";
  }

  function chip(words) {
    const made = anchor(words, "scoring.html#sure");
    made.className = `rt-sure rt-sure-${{ clearly: "yes", likely: "likely" }[words] ?? "open"}`;
    return made;
  }

  /* Who is left out, by what speaks against them. */
  function leftOut(out) {
    const byReason = new Map();
    for (const one of out) {
      const why = one.against.join(", ");
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

  function defaultOf(field) {
    if (!field.options) return field.defaultValue;
    return [...field.options].find((option) => option.defaultSelected)?.value ?? field.options[0].value;
  }

  /* Whether an answer is one of a field: an option, or a number in its range. */
  function isAnswer(field, value) {
    if (field.options) return [...field.options].some((option) => option.value === value);
    return /^\d+$/.test(value ?? "") && Number(value) >= Number(field.min) && Number(value) <= Number(field.max);
  }

  function show(form, target, known) {
    const asked = Object.fromEntries(new FormData(form));
    const left = [];
    const out = [];
    for (const any of known) {
      const one = within(any, asked);
      if (one.against.length) out.push(one);
      else {
        const estimate = cores(one, Number(asked.users), Number(asked.rate));
        left.push({ one, estimate, fails: isTooMuch(one, asked, estimate) });
      }
    }
    const flagged = ({ one }) => one.flags.length > 0;
    const over = ({ estimate }) => isOver(estimate, asked);
    left.sort((a, b) => a.fails - b.fails || over(a) - over(b) || flagged(a) - flagged(b) || (a.estimate?.mean ?? Infinity) - (b.estimate?.mean ?? Infinity));
    target.replaceChildren();
    const head = verdict(left, known.length, asked);
    const sure = sureness(left, asked);
    if (sure) head.append(" ", chip(sure));
    const list = document.createElement("ol");
    list.className = sure === "clearly" || sure === "likely" ? "rt-answer-cards rt-ranked" : "rt-answer-cards";
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

  rt.onPage(() => {
    for (const field of document.querySelectorAll("form.rt-pick :is(select, input)")) {
      field.addEventListener("input", () => {
        field.setAttribute("aria-invalid", String(!isAnswer(field, field.value)));
        if (isAnswer(field, field.value)) rt.keep({ [field.name]: field.value === defaultOf(field) ? null : field.value });
      });
      // What is no answer is replaced by the one that is shown, as soon as the reader leaves the field.
      field.addEventListener("change", () => isAnswer(field, field.value) || rt.keep({}));
    }
  });

  rt.onAddress(() => {
    const form = document.querySelector("form.rt-pick");
    if (!form) return;
    for (const field of form.elements) {
      const asked = rt.asked(field.name);
      const value = isAnswer(field, asked) ? asked : defaultOf(field);
      if (field.value !== value) field.value = value; // else the cursor would move while a number is typed
    }
    const script = document.querySelector("template.rt-pick-data").content.querySelector("script");
    form.hidden = false;
    show(form, document.querySelector(".rt-picked"), JSON.parse(script.textContent));
  });
})();
