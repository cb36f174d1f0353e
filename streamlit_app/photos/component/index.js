// The contact sheet of all faces, and beside it the detail of one: its photo with numbered boxes,
// or where in the face the reading comes from, bars with values, a small plane. Data comes from
// faces_sheet in sheet.py; what a visitor chooses goes back as the state "selected": the id of a
// face, or null, the number of this choice, and as "explain" what a map is wanted of: an emotion,
// "" for the one that is read, or null. What the visitor says of faces goes back as the state
// "said": all that the page has not heard yet, a word of a face each, or null to undo.

// One view per mounted component; Streamlit calls the function below on every change. It returns no
// cleanup, since Streamlit also calls that of a change that another one has overtaken.
const views = new WeakMap();

export default function (component) {
  const { parentElement } = component;
  if (!views.has(parentElement)) views.set(parentElement, new View(parentElement));
  const view = views.get(parentElement);
  view.send = component.setStateValue;
  view.show(component.data);
}

const percent = (share) => (share >= 0.955 ? ">95%" : share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);
const signed = (value) => `${value < -0.004 ? "−" : value > 0.004 ? "+" : ""}${Math.abs(value).toFixed(2)}`;

/** A new element; attributes that are null or false are left out. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

class View {
  constructor(parent) {
    this.sheet = make("div", { class: "sheet", role: "listbox", "aria-label": "Faces" });
    this.detail = make("section", { class: "detail", "aria-label": "Selected face" });
    this.status = make("div", { class: "status", role: "status" });
    this.root = make("div", { class: "root" }, this.sheet, this.detail, this.status);
    this.root.addEventListener("keydown", (event) => this.onWordKey(event));
    parent.append(this.root);
    this.selected = null;
    this.turn = 0; // number of the visitor's last choice; answers to earlier ones are out of date
    this.wish = null; // what a map is wanted of
    this.isCorrecting = false; // whether the words are shown
    this.said = []; // what the page has not heard yet
    this.nSaid = 0;
    this.shown = "";
    this.sheet.addEventListener("keydown", (event) => this.onSheetKey(event));
    this.detail.addEventListener("keydown", (event) => this.onDetailKey(event));
    for (const part of [this.sheet, this.detail]) {
      for (const [name, on] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]]) {
        part.addEventListener(name, (event) => {
          const face = event.target.closest("[data-face]");
          if (face) this.light(face.dataset.face, on);
        });
      }
    }
  }

  show(data) {
    this.data = data;
    this.faces = new Map(data.faces.map((face) => [face.id, face]));
    if (data.detail) for (const face of data.detail.faces) if (!this.faces.has(face.id)) this.faces.set(face.id, face);
    this.order = data.faces.map((face) => face.id);
    const colours = getComputedStyle(this.root).getPropertyValue("--st-chart-categorical-colors").split(/,(?![^(]*\))/);
    data.emotions.forEach((emotion, i) => this.root.style.setProperty(`--${emotion}`, colours[i] || "gray"));
    if (data.turn >= this.turn) this.wish = data.wish;
    if (data.turn >= this.turn || (this.selected !== null && !this.faces.has(this.selected))) this.selected = data.selected;
    this.turn = Math.max(this.turn, data.turn);
    this.said = this.said.filter((one) => one.n > data.heard);
    this.nSaid = Math.max(this.nSaid, data.heard);
    for (const { face, word } of this.said) if (word && data.labels) data.labels[face] = { mine: word, words: [word] };
    this.root.className = `root ${data.layout}${data.faces.length > 1 ? " many" : ""}`;
    const known = JSON.stringify(data.faces);
    if (known !== this.shown) {
      this.shown = known;
      this.drawSheet();
    }
    this.drawDetail();
    this.markTiles();
  }

  drawSheet() {
    const hasFocus = this.sheet.contains(this.sheet.getRootNode().activeElement);
    this.sheet.replaceChildren(...this.data.faces.map((face) => this.makeTile(face)));
    this.sheet.hidden = this.data.layout === "photo" && this.data.faces.length < 2;
    if (hasFocus) this.tile(this.selected)?.focus();
  }

  makeTile(face) {
    return make("div", {
      class: "tile", role: "option", tabindex: "-1", "data-face": face.id, "aria-selected": "false",
      title: `${face.photo}, face ${face.number}${face.flag ? `\n${face.flag}` : ""}`,
      style: { "--edge": `var(--${face.emotion})` }, onclick: () => this.select(face.id, true),
    },
      make("img", { src: face.image, alt: "", loading: "lazy", width: 96, height: 96, draggable: "false" }),
      this.data.layout === "photo" ? make("span", { class: "number" }, `${face.number}`) : null,
      face.flag ? make("span", { class: "badge", "aria-hidden": "true" }, "!") : null,
      make("span", { class: "caption" }, make("b", {}, face.emotion), ` ${percent(face.confidence)}`));
  }

  tile(id) {
    return id === null ? null : this.sheet.querySelector(`[data-face="${CSS.escape(id)}"]`);
  }

  markTiles() {
    let focusable = null;
    for (const tile of this.sheet.children) {
      const is = tile.dataset.face === this.selected;
      tile.setAttribute("aria-selected", `${is}`);
      tile.tabIndex = -1;
      if (is) focusable = tile;
      const face = this.faces.get(tile.dataset.face), label = this.data.labels?.[face.id];
      const said = label && `labelled ${label.words.map(spoken).join(" and ")}`;
      const words = `${face.emotion}, ${percent(face.confidence)}, face ${face.number} of ${face.photo}`;
      tile.setAttribute("aria-label", [words, face.flag, said].filter(Boolean).join(", "));
      tile.querySelector(".said")?.remove();
      if (label) tile.append(make("span", { class: "said", "aria-hidden": "true", title: said[0].toUpperCase() + said.slice(1) },
        label.words.every((word) => word === face.emotion) ? "✓" : label.words.includes("uncertain") ? "?" : "≠"));
    }
    (focusable || this.sheet.firstElementChild)?.setAttribute("tabindex", "0");
    this.root.classList.toggle("open", this.selected !== null);
  }

  light(id, on) {
    for (const part of this.root.querySelectorAll("[data-face]")) {
      part.classList.toggle("lit", on && part.dataset.face === id);
    }
  }

  select(id, scroll = false) {
    this.selected = id;
    this.tell();
    if (id && scroll && this.data.layout !== "photo") {
      const box = this.detail.getBoundingClientRect();
      if (box.bottom > innerHeight || box.top < 0) this.root.scrollIntoView({ block: "start" });
      this.tile(id)?.scrollIntoView({ block: "nearest" });
    }
  }

  explain(wish) {
    this.wish = wish;
    this.tell();
  }

  correct(isCorrecting) {
    this.isCorrecting = isCorrecting;
    this.drawDetail();
  }

  /** Says what the selected face shows; without a word the last one is taken back. */
  say(word) {
    this.said.push({ n: this.nSaid += 1, face: this.selected, word });
    if (word) this.data.labels[this.selected] = { mine: word, words: [word] };
    this.status.textContent = word ? `Labelled ${spoken(word)}` : "Undone";
    this.drawDetail();
    this.markTiles();
    this.send("said", this.said);
  }

  tell() {
    this.turn += 1;
    this.drawDetail();
    this.markTiles();
    clearTimeout(this.timer); // keys that are held down ask for the last face only
    const choice = { face: this.selected, turn: this.turn, explain: this.wish };
    this.timer = setTimeout(() => this.send("selected", choice), 60);
  }

  step(by) {
    const at = this.order.indexOf(this.selected);
    const id = this.order[Math.min(this.order.length - 1, Math.max(0, at + by))];
    if (id !== undefined && id !== this.selected) this.select(id);
  }

  onWordKey(event) {
    if (!this.isCorrecting || !this.data.labels || this.selected === null || event.target.tagName === "SELECT") return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const word = this.data.emotions[event.key - 1];
    if (word) this.say(word);
    else if (event.key.toLowerCase() === "u" && this.data.canUndo) this.say(null);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page has the same keys, for another face
  }

  onSheetKey(event) {
    const tiles = [...this.sheet.children];
    const at = tiles.indexOf(event.target.closest(".tile"));
    if (at < 0) return;
    const row = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, Home: -at, End: tiles.length - 1 - at };
    if (event.key in steps) {
      const to = tiles[Math.min(tiles.length - 1, Math.max(0, at + steps[event.key]))];
      if (this.selected !== null) this.select(to.dataset.face);
      else for (const tile of tiles) tile.tabIndex = tile === to ? 0 : -1;
      to.focus();
    } else if (event.key === "Enter" || event.key === " ") this.select(tiles[at].dataset.face, true);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
  }

  onDetailKey(event) {
    if (event.target.tagName === "SELECT" && event.key !== "Escape") return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) this.step(step);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
  }

  close() {
    if (this.data.layout === "photo" || this.selected === null) return;
    const tile = this.tile(this.selected);
    this.select(null);
    (tile || this.sheet.firstElementChild)?.focus();
  }

  drawDetail() {
    const photo = this.data.detail, face = this.faces.get(this.selected) || null;
    this.detail.hidden = face === null && !(photo && this.data.layout === "photo");
    if (this.detail.hidden) { this.drawn = this.detailed = null; return this.detail.replaceChildren(); }
    const focused = this.detail.getRootNode().activeElement?.dataset?.part;
    const isHere = photo && (face === null || photo.name === face.photo);
    const isMapped = face !== null && this.wish !== null && this.data.explains;
    const found = isMapped && this.data.explained?.face === face.id && this.data.explained.wish === this.wish ? this.data.explained : null;
    const key = isMapped ? `map of ${this.wish || face.emotion} in ${face.id} ${found?.map}` : isHere ? `${photo.src} ${photo.faces.map((f) => f.id)}` : null;
    if (key === null || key !== this.drawn || !this.figure) {
      this.figure = isMapped ? this.makeMap(face, found) : isHere ? this.makeFigure(photo) : make("div", { class: "waiting", role: "status" },
        make("img", { src: face.image, alt: "" }), make("span", {}, "Opening the photo…"));
      this.drawn = key;
    }
    for (const box of this.figure.querySelectorAll(".box")) box.classList.toggle("chosen", box.dataset.face === this.selected);
    const at = this.order.indexOf(this.selected), n = this.order.length;
    const words = this.data.labels && [this.isCorrecting, this.data.labels[this.selected], this.data.canUndo];
    const shown = JSON.stringify([key, face, at, n, this.data.layout, this.data.explains, words]);
    if (shown === this.detailed) return; // a button that is made anew while it is pressed gets no click
    this.detailed = shown;
    const title = face ? `Face ${face.number} of ${face.photo}` : photo.name;
    const button = (part, label, sign, disabled, onclick) =>
      make("button", { type: "button", "data-part": part, "aria-label": label, title: label, disabled, onclick }, sign);
    this.detail.replaceChildren(...[
      make("header", {}, make("h2", { title }, title),
        n > 1 ? button("previous", "Previous face (left arrow)", "‹", at <= 0, () => this.step(-1)) : null,
        n > 1 ? button("next", "Next face (right arrow)", "›", at >= n - 1, () => this.step(1)) : null,
        this.data.layout === "photo" ? null : button("close", "Close (Escape)", "×", false, () => this.close()),
      ),
      make("div", { class: isMapped ? "parts mapped" : photo && photo.width > 1.25 * photo.height ? "parts wide" : "parts" },
        this.figure, face ? this.makeReading(face, found) : null),
    ]);
    if (focused) {
      const again = this.detail.querySelector(`[data-part="${CSS.escape(focused)}"]:not(:disabled)`) || this.detail.querySelector("button:not(:disabled)");
      again?.focus();
    }
  }

  makeFigure(photo) {
    const boxes = photo.faces.map((face) => make("button", {
      type: "button", class: face.box[2] < 0.05 ? "box small" : "box", "data-face": face.id, "data-part": `box ${face.id}`,
      "aria-label": `Face ${face.number}: ${face.emotion}, ${percent(face.confidence)}`,
      style: { "--edge": `var(--${face.emotion})`, left: `${100 * face.box[0]}%`, top: `${100 * face.box[1]}%`,
        width: `${100 * face.box[2]}%`, height: `${100 * face.box[3]}%` },
      onclick: () => this.select(face.id),
    }, photo.faces.length > 1 ? make("span", { class: "number" }, `${face.number}`) : ""));
    return make("figure", { style: { "--ratio": `${photo.width / photo.height}` } },
      make("div", { class: "frame" }, make("img", { src: photo.src, alt: photo.alt, width: photo.width, height: photo.height }), ...boxes));
  }

  makeMap(face, found) {
    const emotion = this.wish || face.emotion;
    const option = (word) => make("option", { value: word === face.emotion ? "" : word, selected: word === emotion }, word);
    const choice = make("select", { "data-part": "map", "aria-label": "Emotion of the map", onchange: (event) => this.explain(event.target.value) },
      ...Object.keys(face.probabilities).map(option));
    const place = found && !found.error ? make("img", { src: found.map, alt: found.alt, width: 320, height: 320 })
      : make("div", { class: "unmapped", role: "status" }, make("img", { src: face.image, alt: "" }),
        make("span", {}, found ? found.error : "Covering the face part by part…"));
    return make("figure", { class: "map" }, place,
      make("div", { class: "legend" }, make("span", {}, "against"), make("span", { class: "scale" }), make("span", {}, "for"),
        choice, found?.file ? make("a", { href: found.file, download: found.name, "data-part": "save" }, "Save image") : null),
      make("figcaption", {}, ...(found?.words || []).map((words) => make("p", {}, words))));
  }

  /** A button for each word and one that undoes; keys do the same. */
  makeWords(mine) {
    const button = (part, sign, words, attributes, onclick) => make("button", { type: "button", class: "ask", "data-part": part,
      "aria-keyshortcuts": sign, ...attributes, onclick }, make("kbd", { "aria-hidden": "true" }, sign), words);
    return make("div", { class: "words", role: "group", "aria-label": "What does the face show?" },
      ...this.data.emotions.map((word, i) =>
        button(`word ${word}`, `${i + 1}`, spoken(word), { "aria-pressed": `${word === mine}` }, () => this.say(word))),
      button("undo", "U", "undo", { disabled: !this.data.canUndo }, () => this.say(null)),
      make("p", { class: "note" }, "Labels are saved under “Correct, measure, adapt” below."));
  }

  makeReading(face, found) {
    const spread = found?.spread || {};
    const rows = Object.entries(face.probabilities).map(([emotion, share]) => make("tr", { class: emotion === face.emotion ? "top" : null },
      make("th", { scope: "row" }, emotion),
      make("td", { class: "track" }, make("span", { class: face.flag ? "bar doubtful" : "bar",
        style: { width: `${100 * share}%`, "--edge": `var(--${emotion})` } }), emotion in spread ? makeInterval(...spread[emotion]) : ""),
      make("td", { class: "value" }, emotion in spread ? range(spread[emotion], percent, "–") : percent(share))));
    const number = (name) => (found?.[name] ? range(found[name], signed, " to ") : signed(face[name]));
    const why = make("button", { type: "button", class: "ask", "data-part": "why",
      onclick: () => this.explain(this.wish === null ? "" : null) }, this.wish === null ? "Where in the face?" : "Back to the photo");
    const wrong = make("button", { type: "button", class: "ask", "data-part": "wrong", "aria-expanded": `${this.isCorrecting}`,
      title: "Choose the right word", onclick: () => this.correct(!this.isCorrecting) }, "Wrong?");
    return make("div", { class: found?.spread ? "reading spread" : "reading" },
      make("div", { class: "answer" }, make("p", {}, make("b", {}, face.emotion), ` ${percent(face.confidence)}`),
        make("div", { class: "asks" }, this.data.labels ? wrong : null, this.data.explains ? why : null)),
      this.isCorrecting && this.data.labels ? this.makeWords(this.data.labels[face.id]?.mine) : null,
      face.flag ? make("p", { class: "flag" }, `Read with care: ${face.flag}.`) : null,
      face.movements.length && !found ? make("p", { class: "movements" }, "Movements: " +
        face.movements.map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ")) : null,
      make("div", { class: "numbers" }, make("table", { "aria-label": "Probability of each emotion" }, make("tbody", {}, ...rows)),
      make("div", { class: "place" }, makePlane(face, found), make("dl", {},
        make("div", {}, make("dt", {}, "Valence"), make("dd", {}, number("valence"))),
        make("div", {}, make("dt", {}, "Arousal"), make("dd", {}, number("arousal"))),
        make("div", {}, make("dt", {}, "Face"), make("dd", {}, `${face.size} px`)),
        make("div", {}, make("dt", {}, "Found"), make("dd", {}, percent(face.score)))))),
      found?.spread ? make("p", { class: "note" }, found.stability) : null);
  }
}

/** A word as it is said to people. */
function spoken(word) {
  return word === "uncertain" ? "cannot tell" : word;
}

/** Minimum and maximum as words; one of them if both are the same. */
function range([low, high], word, between) {
  const [first, last] = [word(low), word(high)];
  return first === last ? first : `${/^\d+%$/.test(first) ? first.slice(0, -1) : first}${between}${last}`;
}

/** A thin bracket from the minimum to the maximum on a bar. */
function makeInterval(low, high) {
  return make("span", { class: "interval", "aria-hidden": "true", style: { left: `${100 * low}%`, width: `${100 * (high - low)}%` } });
}

/** The valence-arousal plane with one dot, and the rectangle in which it stays if that is known. */
function makePlane(face, found) {
  const draw = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    return element;
  };
  const svg = draw("svg", { viewBox: "-110 -110 220 220", role: "img", class: "plane",
    "aria-label": `Valence ${signed(face.valence)}, arousal ${signed(face.arousal)}` });
  svg.append(
    draw("rect", { x: -104, y: -104, width: 208, height: 208, class: "line" }), draw("circle", { r: 100, class: "dash" }),
    draw("path", { d: "M-104 0H104M0-104V104", class: "line" }),
    ...[["tense", -98, -88, "start"], ["excited", 98, -88, "end"], ["gloomy", -98, 98, "start"], ["calm", 98, 98, "end"]]
      .map(([word, x, y, anchor]) => draw("text", { x, y, "text-anchor": anchor }, word)),
    ...(found?.valence ? [draw("rect", { x: 100 * found.valence[0], y: -100 * found.arousal[1], class: "around",
      width: 100 * (found.valence[1] - found.valence[0]), height: 100 * (found.arousal[1] - found.arousal[0]) })] : []),
    draw("circle", { cx: 100 * face.valence, cy: -100 * face.arousal, r: 10, class: "dot", style: `--edge: var(--${face.emotion})` }));
  return svg;
}
