/* What readers take along: a link to a chart, a command, and a picture of a drawn chart that stands alone, with its
   title, date, machine and address. */
(() => {
  "use strict";

  const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight"];
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = 14;

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return;
    } catch {
      // Pages without TLS have no clipboard, and a reader may refuse it.
    }
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }

  /* The button says for a moment that it is done. */
  async function copied(button, text) {
    await copy(text);
    button.dataset.label ??= button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = button.dataset.label), 1500);
  }

  /* The address of the page; from a folder the one where it is published, which shows no path of the reader's machine. */
  function here() {
    const published = document.querySelector("link[rel=canonical]")?.href;
    return location.protocol === "file:" && published ? published : location.href;
  }

  function linkTo(chart) {
    const address = new URL(here());
    address.hash = chart.id;
    return address.href;
  }

  /* What another site writes to show the chart. */
  function frameOf(button) {
    const { href } = new URL(button.dataset.address, here());
    return `<iframe src="${href}" width="100%" height="${button.dataset.height}" loading="lazy" style="border:0"></iframe>`;
  }

  /* Words in lines of at most so many characters. */
  function wrapped(text, most) {
    const lines = [""];
    for (const word of text.split(/\s+/)) {
      const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
      if (longer.length > most && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines.filter(Boolean);
  }

  function line(words, y, size, weight, colour) {
    const text = document.createElementNS(SVG, "text");
    text.setAttribute("x", MARGIN);
    text.setAttribute("y", y);
    text.setAttribute("style", `fill:${colour};font:${weight} ${size}px ${getComputedStyle(document.body).fontFamily.replaceAll('"', "'")}`);
    text.textContent = words;
    return text;
  }

  /* The drawing that is seen, with its looks in itself, its captions above and where it is from below. */
  function standalone(chart) {
    const seen = [...chart.querySelectorAll("svg.rt-drawing")].find((one) => one.getBoundingClientRect().width > 0);
    const drawing = seen.cloneNode(true);
    const copies = drawing.querySelectorAll("*");
    [...seen.querySelectorAll("*")].forEach((shape, index) => {
      const style = getComputedStyle(shape);
      for (const name of KEPT) copies[index].style.setProperty(name, style.getPropertyValue(name));
      copies[index].removeAttribute("class");
    });
    const page = getComputedStyle(document.body);
    const colour = (name) => page.getPropertyValue(name).trim();
    const [, , width, height] = seen.getAttribute("viewBox").split(" ").map(Number);
    const whole = width + 2 * MARGIN;
    const captions = [
      ...wrapped(chart.querySelector("figcaption strong").textContent, whole / 8.6).map((words) => [words, 16, 700, "--rt-text", 21]),
      ...wrapped(chart.querySelector(".rt-subtitle").textContent, whole / 6.2).map((words) => [words, 12, 400, "--rt-soft", 17]),
    ];
    const sources = wrapped([chart.dataset.madeOf, linkTo(chart)].filter(Boolean).join(" · "), whole / 5.8);
    const picture = document.createElementNS(SVG, "svg");
    let y = MARGIN;
    const texts = captions.map(([words, size, weight, name, step]) => line(words, (y += step), size, weight, colour(name)));
    drawing.setAttribute("x", MARGIN);
    drawing.setAttribute("y", (y += 12));
    y += height + 4;
    texts.push(...sources.map((words) => line(words, (y += 15), 11, 400, colour("--rt-soft"))));
    y += MARGIN;
    const ground = document.createElementNS(SVG, "rect");
    ground.setAttribute("width", whole);
    ground.setAttribute("height", y);
    ground.setAttribute("style", `fill:${colour("--md-default-bg-color") || "#fff"}`);
    picture.setAttribute("xmlns", SVG);
    picture.setAttribute("viewBox", `0 0 ${whole} ${y}`);
    picture.setAttribute("width", whole);
    picture.setAttribute("height", y);
    picture.append(ground, ...texts, drawing);
    return { text: new XMLSerializer().serializeToString(picture), width: whole, height: y };
  }

  async function saveImage(chart, format) {
    const { text, width, height } = standalone(chart);
    const address = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    if (format === "svg") {
      rt.download(`${chart.id}.svg`, address);
      return;
    }
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * width;
    canvas.height = 2 * height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    rt.download(`${chart.id}.png`, canvas.toDataURL("image/png"));
  }

  function save({ target }) {
    const { format } = target.dataset;
    if (!format) return;
    const chart = target.closest(".rt-chart");
    if (format === "link") copied(target, linkTo(chart));
    else if (format === "embed") copied(target, frameOf(target));
    else if (format === "csv") rt.saveTable(chart);
    else saveImage(chart, format);
  }

  rt.onPage(() => {
    for (const tools of document.querySelectorAll(".rt-drawn .rt-save")) tools.addEventListener("click", save);
    for (const button of document.querySelectorAll(".rt-chart:not(.rt-drawn) [data-format=link]"))
      button.addEventListener("click", () => copied(button, linkTo(button.closest(".rt-chart"))));
    for (const button of document.querySelectorAll(".rt-copy")) button.addEventListener("click", () => copied(button, button.dataset.copies));
  });
})();
