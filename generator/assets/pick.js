/* Picks frameworks for an application. The answers of the reader are in the address, each field by its name. The values
   are in the page. */
(() => {
  "use strict";

  const NEEDS = {
    polling: "no long-polling",
    plain: "only Socket.IO clients can connect",
    spans: "a room ends at its process",
    sse: "no server-sent events",
  };

  const TITLES = { polling: "long-polling", plain: "plain WebSocket clients", spans: "rooms across processes", sse: "server-sent events" };
  const MOST_CARDS = 3;
  const FASTEST = "Fastest (least CPU)";
  const FITS = "Fits";

  function element(tag, name, ...content) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...content);
    return made;
  }

  function anchor(text, href) {
    const made = element("a", "", text);
    made.href = href;
    return made;
  }

  const link = (one) => anchor(one.title, `frameworks/${one.slug}.html`);
  const capitalised = (words) => words[0].toUpperCase() + words.slice(1);
  const shown = (value) => String(Number(value.toPrecision(3)));
  const users = (count) => `${count.toLocaleString("en")} users`;

  /* Of the loads under which it was measured, the one with the most similar number of users. */
  function nearest(loads, count) {
    const distance = (load) => Math.abs(Math.log(load.users / count));
    return loads.reduce((best, load) => (best && distance(best) <= distance(load) ? best : load), null);
  }

  /* How many cores the load takes, and the ends of its interval: measured, or in proportion to users and updates. */
  function cores(one, count, rate) {
    const load = nearest(one.loads, count);
    if (!load) return null;
    const factor = (count * rate) / (load.users * load.updates_per_s * 100);
    const [low, high] = load.interval.map((end) => factor * end);
    const measured = count === load.users && rate === load.updates_per_s;
    return { load, measured, mean: factor * load.cpu_percent, low, high };
  }

  const pace = ({ snapshots_per_s: count }) => (count === 1 ? "one snapshot per second" : `${shown(count)} snapshots per second`);

  /* A share of a core in percent, as in the tables; more than one core in cores. */
  function share({ load, measured, mean, low, high }) {
    const [unit, scale] = mean < 1 ? ["\u00a0% of a core", 100] : ["\u00a0cores", 1];
    const sure = `95\u00a0% interval ${shown(scale * low)} to ${shown(scale * high)}, ${load.rounds} rounds`;
    return `CPU: ${measured ? "" : "about "}${shown(scale * mean)}${unit}${load.with_broker ? ", its broker included" : ""} (${load.variant}, ${pace(load)}; ${sure})`;
  }

  /* A framework by its headline variant: what speaks against it, and which needs it fulfils only with code of one's own,
     or may not fulfil. A degree is 1, 0.5, 0, or null where not determined. */
  function within(one, asked, aims) {
    const needs = Object.keys(NEEDS).filter((need) => asked[need]);
    const setup = one.setup;
    const loads = (setup?.loads ?? []).map((load) => ({ ...load, variant: setup.slug, module: setup.module }));
    return {
      ...one,
      against: objections(one, asked, needs, aims),
      unsure: needs.filter((need) => setup?.[need] === null),
      own: needs.filter((need) => setup?.[need] > 0 && setup[need] < 1),
      loads,
      uncounted: setup?.uncounted ?? [],
      searchUncounted: setup?.search_uncounted ?? null,
      searched: setup?.searched ? { ...setup.searched, variant: setup.slug } : null,
    };
  }

  function objections({ setup, elsewhere, labels }, { stack, case: built }, needs, aims) {
    if (!setup) return ["no headline variant is declared or measured"];
    if (built && !(built in labels)) return [`${aims[built].toLowerCase()} is unsupported`];
    if (stack && !setup.stacks.includes(stack))
      return [elsewhere.includes(stack) ? "only another setup of it can be part of yours" : "needs an application of its own, beside yours"];
    return needs.filter((need) => setup[need] === 0).map((need) => NEEDS[need]);
  }

  /* Whether it failed in a search, of one update per second, under no more than the load of the reader. */
  function wasBroken(one, asked) {
    const fails_at = one.searched?.fails_at ?? null;
    return Number(asked.rate) >= 1 && fails_at !== null && fails_at <= Number(asked.users);
  }

  /* The load with the most users, no more than the reader's, if its p99 was beyond the limit. */
  function wasLate(one, asked) {
    const known = one.loads.filter((load) => load.users <= Number(asked.users) && load.updates_per_s <= Number(asked.rate));
    const most = known.at(-1);
    return most && isLate(one, most) ? most : null;
  }

  const isLate = (one, load) => load.late_percentile === 99 && one.limit_ms !== null && load.late_ms >= one.limit_ms;

  /* Whether it failed: under just this load if that was measured, else under less or in a search. */
  function isTooMuch(one, asked, estimate) {
    if (estimate?.measured && estimate.load.late_percentile === 99 && one.limit_ms !== null) return wasLate(one, asked) !== null;
    return wasLate(one, asked) !== null || wasBroken(one, asked);
  }

  /* Whether the estimate is above the cores that the reader has. */
  const isOver = (estimate, asked) => Boolean(asked.cores && estimate && estimate.mean > Number(asked.cores));

  /* How late the answers were under a load. */
  function lateness(one, load) {
    return `${load.late_percentile} of 100 updates were answered within ${shown(load.late_ms)}\u00a0ms${isLate(one, load) ? `, beyond the limit of ${one.limit_ms}\u00a0ms` : ""}`;
  }

  function reasons(one, asked, estimate) {
    const found = [];
    if (estimate) {
      found.push(share(estimate));
      const late = wasLate(one, asked);
      if (estimate.measured && estimate.load.late_ms !== null) found.push(lateness(one, estimate.load));
      else if (late) found.push(`with ${users(late.users)} ${lateness(one, late)}`);
    } else if (!one.uncounted.length) found.push("its CPU use under the dashboard was not measured");
    for (const load of one.uncounted) found.push(`the value with ${users(load.users)} does not count (${load.why})`);
    const { searched } = one;
    if (asked.rate === "1" && searched && searched.sustains !== null && searched.sustains >= Number(asked.users)) {
      found.push(`one core sustains ${users(searched.sustains)} or more in half of all attempts (${searched.variant})`);
    } else if (wasBroken(one, asked)) {
      const enough = searched.sustains ? `, but sustains ${users(searched.sustains)}` : "";
      const slower = asked.rate === "1" ? "" : ", at one update per second";
      found.push(`one core is too little for ${users(searched.fails_at)} in more than half of all attempts${enough}${slower} (${searched.variant})`);
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

  /* Whether nothing is known that speaks against it. */
  const isGood = ({ one, estimate, fails }, asked) => !fails && !one.flags.length && !isOver(estimate, asked);

  /* The candidates that remain, by what puts one before another: keeping up, enough cores, no flag, then `value`. */
  function ordered(left, asked, value) {
    const keys = (of) => [of.fails, isOver(of.estimate, asked), of.one.flags.length > 0, ...value(of)].map(Number);
    const known = new Map(left.map((of) => [of, keys(of)]));
    const before = (a, b) => known.get(a).map((key, index) => (key === known.get(b)[index] ? 0 : key - known.get(b)[index])).find(Boolean) ?? 0;
    return [...left].sort(before);
  }

  const cost = ({ estimate }) => estimate?.mean ?? Infinity;

  /* Those without a flag that keep up like the first, other than the first. */
  const rivals = (left) => left.slice(1).filter(({ one, fails }) => fails === left[0].fails && !one.flags.length);

  /* How many of them are not decided against the first: by the outcomes of the table of the first, if they are in it. */
  function undecided(left) {
    const { load } = left[0].estimate;
    const isSame = (other) => other.workload === load.workload && other.users === load.users;
    return rivals(left).filter(({ one, estimate }) => estimate && !(isSame(estimate.load) && load.cheaper_than.includes(one.slug)));
  }

  /* How the first in CPU use compares with the others. */
  function comparison(left) {
    const first = left[0].one;
    const known = rivals(left).filter(({ estimate }) => estimate).length;
    if (!known) return ["no other framework without a flag has a CPU use to compare with"];
    const equals = undecided(left);
    if (!equals.length)
      return [`${left[0].estimate.measured ? "surely takes" : "by these estimates takes"} the least CPU${left.some(({ one }) => one.flags.length) ? " of those without a flag" : ""}`];
    const pair = [first, equals[0].one].map(({ slug }) => slug).sort().join("-vs-");
    const others = equals.length === known ? "none of the others surely takes" : `${equals.length} of the others ${equals.length === 1 ? "does" : "do"} not surely take`;
    return [`${others} more CPU; nearest: `, anchor(`${first.title} and ${equals[0].one.title}`, `compare/${pair}.html`)];
  }

  /* How sure it is that the first takes the least CPU, in the words of the other pages. */
  function surenessOfCost(left) {
    const others = rivals(left);
    if (!others.some(({ estimate }) => estimate)) return "can't say yet";
    return undecided(left).length || !left[0].estimate.measured || others.some(({ estimate }) => !estimate) ? "likely" : "clearly";
  }

  /* What puts the first before the others, and how sure that is. `byCost`: all, the least CPU first. */
  function roleOf(of, byCost, asked, aim) {
    if (!isGood(of, asked)) return ["With reservations", "can't say yet"];
    if (of.one.labels[aim.key]) return ["Best fit", surenessOfLabel(of, aim)];
    if (of === byCost[0] && of.estimate) return [FASTEST, surenessOfCost(byCost)];
    return [FITS, "can't say yet"];
  }

  /* A best label says how sure it is. That nobody surely has a better one is likely at most. */
  function surenessOfLabel({ one }, aim) {
    if (!one.labels[aim.key]) return "can't say yet";
    return one.leads[aim.key] ? "clearly" : "likely";
  }

  function chip(words) {
    const made = anchor(words, "scoring.html#sure");
    made.className = `rt-sure rt-sure-${{ clearly: "yes", likely: "likely" }[words] ?? "open"}`;
    return made;
  }

  /* How many cores were too few: those of the load that was late, or the one of a search. */
  function tooFew(failing, asked) {
    const most = Math.max(...failing.map(({ one }) => wasLate(one, asked)?.cores ?? 1));
    return most > 1 ? `${most} cores were too few` : "one core was too little";
  }

  /* The answer in one or two sentences, which screen readers announce. */
  function summary(left, count, asked, [role, sure]) {
    const failing = left.filter(({ fails }) => fails);
    if (!left.length) return ["None of them fits all of that."];
    if (failing.length === left.length) return [`${left.length} of ${count} can be used, but ${tooFew(left, asked)} for ${left.length === 1 ? "it" : "each of them"}. More cores were not tried.`];
    const fitting = `${left.length} of ${count} ${left.length === 1 ? "fits" : "fit"}.`;
    const said = role === FITS && left.length > 1 ? [`${fitting} Which one fits best is not known yet. `] : [`${fitting} ${role}: `, element("strong", "", left[0].one.title), " "];
    said.push(chip(sure));
    if (failing.length) said.push(` For ${failing.length} of them ${tooFew(failing, asked)}; these come last.`);
    return said;
  }

  function card([role, sure], { one, estimate }, asked, aim, more = []) {
    const label = one.labels[aim.key];
    const found = reasons(one, asked, estimate).map((reason) => element("li", "", reason));
    if (more.length) found.push(element("li", "", ...more));
    return element(
      "li",
      role === "Best fit" ? "rt-best" : "",
      element("p", "rt-role", element("span", "", role), " ", chip(sure)),
      element("strong", "", link(one)),
      element("p", "rt-label", label ? `${capitalised(label)}: ${aim.title.toLowerCase()}` : "No label: not enough data"),
      element("ul", "", ...found),
      proofs(one, estimate?.load),
    );
  }

  /* Best fit, also, fastest. Returns the cards, and the candidates that have none. */
  function cards(left, byCost, role, asked, aim) {
    const [best] = left;
    const cheapest = isGood(byCost[0], asked) && byCost[0].estimate ? byCost[0] : null;
    const others = left.filter((of) => of !== best && of !== cheapest && isGood(of, asked));
    const isBoth = cheapest === best || !cheapest;
    const also = others.slice(0, MOST_CARDS - (isBoth ? 1 : 2));
    const made = [card(role, best, asked, aim, cheapest === best ? comparison(byCost) : [])];
    made.push(...also.map((of) => card(["Also", surenessOfLabel(of, aim)], of, asked, aim)));
    if (!isBoth) made.push(card([FASTEST, surenessOfCost(byCost)], cheapest, asked, aim, comparison(byCost)));
    return [made, left.filter((of) => of !== best && of !== cheapest && !also.includes(of))];
  }

  /* Who is left out, by what speaks against them. */
  function leftOut(out) {
    const byReason = new Map();
    for (const one of out) {
      const why = one.against.join(", ");
      byReason.set(why, [...(byReason.get(why) ?? []), one]);
    }
    return [...byReason].map(([why, ones]) => {
      const line = element("p", "rt-note", `Left out, ${why}: `);
      ones.forEach((one, index) => line.append(index ? ", " : "", link(one)));
      line.append(".");
      return line;
    });
  }

  /* All others, folded; open if the reader had opened them. */
  function folded(rest, out, asked, isOpen) {
    const list = element("ol", "rt-plain", ...rest.map(({ one, estimate }) => element("li", "", element("strong", "", link(one)), `: ${reasons(one, asked, estimate).join("; ")}. `, proofs(one, estimate?.load))));
    const counts = [rest.length ? `${rest.length} more` : "", out.length ? `${out.length} left out` : ""].filter(Boolean);
    const made = element("details", "rt-figures", element("summary", "", capitalised(counts.join(", and "))), ...(rest.length ? [list] : []), ...leftOut(out));
    made.open = isOpen;
    return made;
  }

  /* What the label is for: what the reader builds, else where the reader starts. */
  const aimOf = (asked, aims) => asked.case || (asked.stack in aims ? asked.stack : "new");

  function show(form, target, known) {
    const asked = Object.fromEntries(new FormData(form));
    const [aims, labels] = [JSON.parse(form.dataset.aims), JSON.parse(form.dataset.labels)];
    const key = aimOf(asked, aims);
    const aim = { key, title: aims[key] };
    const all = known.map((one) => within(one, asked, aims));
    const out = all.filter((one) => one.against.length);
    const remaining = all.filter((one) => !one.against.length).map((one) => {
      const estimate = cores(one, Number(asked.users), Number(asked.rate));
      return { one, estimate, fails: isTooMuch(one, asked, estimate) };
    });
    // Without a label it may be as good as a good choice, and is not known to be a special case.
    const rank = ({ one }) => (one.labels[key] ? labels.indexOf(one.labels[key]) : 1.5);
    const left = ordered(remaining, asked, (of) => [rank(of), cost(of)]);
    const byCost = ordered(remaining, asked, (of) => [cost(of)]);
    const role = left.length ? roleOf(left[0], byCost, asked, aim) : [];
    const [head] = target.children;
    const said = element("p", "", ...summary(left, known.length, asked, role));
    if (said.textContent !== head.textContent) head.replaceChildren(...said.childNodes);
    const isOpen = target.querySelector("details")?.open ?? false;
    while (head.nextSibling) head.nextSibling.remove();
    const [made, rest] = left.length ? cards(left, byCost, role, asked, aim) : [[], []];
    if (made.length) target.append(element("ol", "rt-answer-cards", ...made));
    if (rest.length || out.length) target.append(folded(rest, out, asked, isOpen));
  }

  // The form

  const fieldsOf = (form) => form.querySelectorAll("select, input");
  const isBox = (field) => field.type === "checkbox";
  const answerOf = (field) => (isBox(field) && !field.checked ? "" : field.value);

  function defaultOf(field) {
    if (isBox(field)) return "";
    if (!field.options) return field.defaultValue;
    return [...field.options].find((option) => option.defaultSelected)?.value ?? field.options[0].value;
  }

  /* Whether an answer is one of a field: ticked or not, an option, or a number in its range. */
  function isAnswer(field, value) {
    if (isBox(field)) return value === "" || value === field.value;
    if (field.options) return [...field.options].some((option) => option.value === value);
    return /^\d+$/.test(value ?? "") && Number(value) >= Number(field.min) && Number(value) <= Number(field.max);
  }

  function fill(field, value) {
    if (isBox(field)) field.checked = value !== "";
    else if (field.value !== value) field.value = value; // else the cursor would move while a number is typed
  }

  rt.onPage(() => {
    for (const form of document.querySelectorAll("form.rt-pick"))
      for (const field of fieldsOf(form)) {
        field.addEventListener("input", () => {
          const answer = answerOf(field);
          field.setAttribute("aria-invalid", String(!isAnswer(field, answer)));
          if (isAnswer(field, answer)) rt.keep({ [field.name]: answer === defaultOf(field) ? null : answer });
        });
        // What is no answer is replaced by the one that is shown, as soon as the reader leaves the field.
        field.addEventListener("change", () => isAnswer(field, answerOf(field)) || rt.keep({}));
      }
  });

  rt.onAddress(() => {
    const form = document.querySelector("form.rt-pick");
    if (!form) return;
    for (const field of fieldsOf(form)) {
      const asked = rt.asked(field.name);
      fill(field, isAnswer(field, asked) ? asked : defaultOf(field));
    }
    const script = document.querySelector("template.rt-pick-data").content.querySelector("script");
    show(form, document.querySelector(".rt-picked"), JSON.parse(script.textContent));
  });
})();
