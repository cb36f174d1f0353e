// Emotions with their numbers of faces, as bars that can be switched on and off. Data comes from
// emotion_counts in sheet.py; the emotions that are on go back as the state "chosen".
//
// The buttons stay and only change: one that is made anew while it is pressed gets no click.

const groups = new WeakMap();

function make(tag, name) {
  const part = document.createElement(tag);
  part.className = name;
  return part;
}

class Counts {
  constructor(parent) {
    this.list = make("div", "counts");
    this.list.setAttribute("role", "group");
    this.list.setAttribute("aria-label", "Faces per emotion");
    this.buttons = new Map();
    parent.append(this.list);
  }

  update(data, setStateValue) {
    const style = getComputedStyle(this.list).getPropertyValue("--st-chart-categorical-colors");
    this.colours = style.split(/,(?![^(]*\))/);
    this.most = Math.max(1, ...data.rows.map((row) => row.all));
    this.chosen = new Set(data.chosen);
    this.setStateValue = setStateValue;
    for (const row of data.rows) this.show(row, this.buttons.get(row.emotion) ?? this.add(row.emotion));
  }

  add(emotion) {
    const button = make("button", "");
    button.type = "button";
    const track = make("span", "track"), word = make("span", "word");
    word.textContent = emotion;
    track.append(make("span", "all"), make("span", "shown"));
    button.append(word, track, make("span", "number"));
    button.addEventListener("click", () => {
      if (!this.chosen.delete(emotion)) this.chosen.add(emotion);
      this.setStateValue("chosen", [...this.chosen]);
    });
    this.buttons.set(emotion, button);
    this.list.append(button);
    return button;
  }

  show(row, button) {
    const isOn = this.chosen.has(row.emotion);
    button.className = this.chosen.size && !isOn ? "off" : "";
    button.setAttribute("aria-pressed", `${isOn}`);
    const number = row.shown === row.all ? `${row.all}` : `${row.shown} of ${row.all}`;
    button.setAttribute("aria-label", `${row.emotion}: ${number}`);
    button.title = isOn ? `Show others than ${row.emotion} again` : `Show only ${row.emotion}`;
    button.querySelector(".number").textContent = number;
    button.querySelector(".all").style.width = `${(100 * row.all) / this.most}%`;
    const shown = button.querySelector(".shown");
    shown.style.width = `${(100 * row.shown) / this.most}%`;
    shown.style.background = this.colours[row.colour] || "gray";
  }
}

export default function ({ parentElement, data, setStateValue }) {
  let counts = groups.get(parentElement);
  if (!counts) groups.set(parentElement, (counts = new Counts(parentElement)));
  counts.update(data, setStateValue);
}
