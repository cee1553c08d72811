// The panel with the trials behind a number. In: the table in #trials-data and what the address
// says after "#trials?": clauses apart by ";", of which one must hold; conditions apart by "&", of
// which all must hold; allowed values apart by ",". Nothing is loaded, stored or run from text.
"use strict";
(() => {
  const PAGE = 50;
  const MARK = "#trials?";
  const byId = (id) => document.getElementById(id);
  const table = read(JSON.parse(byId("trials-data").textContent));
  const panel = byId("trials-panel");
  const state = { rows: [], clauses: [], page: 0, sort: null, down: false, what: "" };

  // Columns with all their values; those that repeat are stored as [value, how often].
  function read(stored) {
    const columns = new Map();
    for (const column of stored.columns) {
      let values = column.values || column.runs.flatMap(([value, n]) => Array(n).fill(value));
      if (column.names) values = values.map((code) => column.names[code]);
      columns.set(column.key, { ...column, values });
    }
    return { n: stored.n, threshold: stored.threshold, columns };
  }

  function parse(text) {
    return text.split(";").filter(Boolean).map((clause) =>
      clause.split("&").map((condition) => {
        const [key, allowed = ""] = condition.split("=");
        return { key: decoded(key), allowed: allowed.split(",").map(decoded) };
      })
    );
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  // The table has six digits of what is not whole, so the ends of a range are cut to as many: a
  // trial that lies at an end stays inside.
  function rounded(number) {
    return Number.isInteger(number) ? number : Number(number.toPrecision(6));
  }

  function ends(text) {
    const [low, high = low] = text.split("..");
    return [Number(low), Number(high)];
  }

  function test({ key, allowed }) {
    const column = table.columns.get(key);
    if (!column) return () => false;
    const { kind, values } = column;
    if (kind === "text") return (row) => allowed.includes(values[row]);
    if (kind === "flag") return (row) => allowed.includes(values[row] ? "yes" : "no");
    const tests = allowed.map((one) => {
      if (one === "odd" || one === "even") return (v) => Math.abs(v % 2) === Number(one === "odd");
      const [low, high] = ends(one).map(rounded);
      return (value) => value >= low && value <= high;
    });
    return (row) => values[row] !== null && tests.some((holds) => holds(values[row]));
  }

  function matching(clause) {
    const tests = clause.map(test);
    const rows = [];
    for (let row = 0; row < table.n; row++) if (tests.every((holds) => holds(row))) rows.push(row);
    return rows;
  }

  const listed = (words) =>
    words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
  const several = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

  // One clause in plain words: "512 finished trials of gsam, phase map, odd seeds".
  function words(clause, n) {
    let kind = "";
    let after = "";
    const parts = [];
    let whose = "";
    for (const { key, allowed } of clause) {
      const one = allowed[0];
      if (key === "optimizer") whose = ` of ${listed(allowed)}`;
      else if (key === "state" && allowed.length > 1) continue;
      else if (key === "state" && one === "COMPLETE") kind = kind || "finished ";
      else if (key === "state" && one === "FAIL") after = " that raised an error";
      else if ((key === "diverged" || key === "collapsed") && one === "yes") kind = `${key} `;
      else if (one === "odd" || one === "even") parts.push(`${one} ${key}s`);
      else {
        const shown = listed(allowed.map((value) => value.replace("..", " to ")));
        const many = allowed.length > 1 || one.includes("..");
        parts.push(`${key}${many && (key === "point" || key === "seed") ? "s" : ""} ${shown}`);
      }
    }
    return several(n, `${kind}trial`) + after + [whose, ...parts].join(", ").replace(/^, /, " with ");
  }

  // The same rows of trials.parquet, as one expression of pandas.
  function pandas(clauses) {
    const quoted = (text) => JSON.stringify(text);
    const either = (parts, sign) => (parts.length > 1 ? `(${parts.join(sign)})` : parts[0]);
    const condition = ({ key, allowed }) => {
      const kind = table.columns.get(key)?.kind;
      const name = `t[${quoted(key)}]`;
      if (key === "collapsed") {
        return `(t["diverged"] | (t["test_accuracy"] <= ${table.threshold}))`;
      }
      if (kind === "text") {
        return allowed.length > 1
          ? `${name}.isin([${allowed.map(quoted).join(", ")}])`
          : `(${name} == ${quoted(allowed[0])})`;
      }
      if (kind === "flag") return allowed[0] === "yes" ? name : `~${name}`;
      const tests = allowed.map((one) => {
        if (one === "odd" || one === "even") return `(${name} % 2 == ${Number(one === "odd")})`;
        const [low, high] = ends(one);
        return low === high ? `(${name} == ${low})` : `${name}.between(${low}, ${high})`;
      });
      return either(tests, " | ");
    };
    const one = (clause) => either(clause.map(condition), " & ");
    if (!clauses.length) return "";
    const inside = clauses.length > 1 ? clauses.map(one).join(" | ") : clauses[0].map(condition).join(" & ");
    return `t = pd.read_parquet("trials.parquet"); t[${inside}]`;
  }

  function shown(column, row) {
    const value = column.values[row];
    if (value === null || value === undefined) return "";
    if (column.kind === "text") return value;
    if (column.kind === "flag") return value ? "yes" : "";
    if (column.percent) return (100 * value).toFixed(2);
    if (column.whole) return String(value);
    return String(Number(value.toPrecision(4))).replace("-", "\u2212");
  }

  function visible() {
    const filled = ({ kind, values }) =>
      state.rows.some((row) => (kind === "flag" ? values[row] : values[row] !== null));
    const found = [...table.columns.values()].filter(filled);
    return found.length ? found : [...table.columns.values()];
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function head(columns) {
    const line = element("tr");
    for (const column of columns) {
      const sorted = state.sort === column.key;
      const order = sorted ? (state.down ? "descending" : "ascending") : "none";
      const cell = element("th", undefined, { scope: "col", "aria-sort": order });
      if (column.kind === "number") cell.className = "n";
      const button = element("button", column.label, { type: "button", "data-sort": column.key });
      button.append(element("span", sorted ? (state.down ? " ↓" : " ↑") : "", { "aria-hidden": "true" }));
      cell.append(button);
      line.append(cell);
    }
    byId("trials-head").replaceChildren(line);
  }

  function body(columns) {
    const first = state.page * PAGE;
    const lines = state.rows.slice(first, first + PAGE).map((row) => {
      const line = element("tr");
      for (const column of columns) {
        line.append(element("td", shown(column, row), column.kind === "number" ? { class: "n" } : {}));
      }
      return line;
    });
    byId("trials-body").replaceChildren(...lines);
    const last = Math.min(first + PAGE, state.rows.length);
    byId("trials-place").textContent = last ? `${first + 1}–${last} of ${several(state.rows.length, "trial")}` : "";
    byId("trials-back").disabled = state.page === 0;
    byId("trials-on").disabled = last >= state.rows.length;
    byId("trials-pages").hidden = state.rows.length <= PAGE;
  }

  function draw() {
    const columns = visible();
    head(columns);
    body(columns);
  }

  function sortBy(key) {
    state.down = state.sort === key && !state.down;
    state.sort = key;
    state.page = 0;
    const { values } = table.columns.get(key);
    const sign = state.down ? -1 : 1;
    // Empty cells stay last; equal ones keep the table's own order.
    state.rows.sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return (x < y ? -sign : x > y ? sign : 0) || a - b;
    });
    draw();
    byId("trials-head").querySelector(`[data-sort="${CSS.escape(key)}"]`).focus();
  }

  function accuracies(rows) {
    const { values } = table.columns.get("test_accuracy");
    const known = rows.map((row) => values[row]).filter((value) => value !== null);
    if (!known.length) return "";
    const percent = (value) => (100 * value).toFixed(2);
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    return `: mean test accuracy ${percent(mean)} % (${percent(low)} to ${percent(high)})`;
  }

  function csv() {
    const columns = [...table.columns.values()];
    const field = (value) => {
      const text = value === null ? "" : String(value);
      return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const value = (column, row) =>
      column.kind === "flag" ? (column.values[row] ? "True" : "False") : column.values[row];
    const lines = state.rows.map((row) => columns.map((c) => field(value(c, row))).join(","));
    return [columns.map((column) => field(column.key)).join(","), ...lines].join("\n") + "\n";
  }

  async function copy() {
    const text = csv();
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea", text);
      panel.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    byId("trials-copied").textContent = done
      ? `${several(state.rows.length, "row")} copied.`
      : "This browser does not let the page copy: use the line of pandas.";
  }

  function show() {
    const hash = location.hash;
    if (!hash.startsWith(MARK)) {
      if (panel.open) panel.close();
      return;
    }
    state.clauses = parse(hash.slice(MARK.length));
    const found = state.clauses.map(matching);
    state.rows = [...new Set(found.flat())].sort((a, b) => a - b);
    Object.assign(state, { page: 0, sort: null, down: false });
    byId("trials-title").textContent = state.what || "The trials behind a number";
    const said = state.clauses.map((clause, place) =>
      element("li", words(clause, found[place].length) + accuracies(found[place]))
    );
    byId("trials-filter").replaceChildren(...said);
    byId("trials-code").textContent = pandas(state.clauses);
    byId("trials-copied").textContent = "";
    document.body.dataset.trials = state.rows.length;
    state.what = "";
    draw();
    byId("trials-scroll").scrollTo(0, 0);
    if (!panel.open) panel.showModal();
  }

  function turn(step) {
    state.page += step;
    draw();
    byId("trials-scroll").scrollTo(0, 0);
  }

  for (const link of document.querySelectorAll("a[data-trials]")) {
    link.href = MARK + link.dataset.trials;
    link.setAttribute("aria-haspopup", "dialog");
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-trials]");
    if (link) state.what = link.dataset.what || "";
  });
  byId("trials-head").addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (button) sortBy(button.dataset.sort);
  });
  byId("trials-back").addEventListener("click", () => turn(-1));
  byId("trials-on").addEventListener("click", () => turn(1));
  byId("trials-copy").addEventListener("click", copy);
  byId("trials-close").addEventListener("click", () => panel.close());
  panel.addEventListener("click", (event) => {
    if (event.target === panel) panel.close();
  });
  panel.addEventListener("close", () => {
    if (location.hash.startsWith(MARK)) history.replaceState(null, "", location.pathname + location.search);
  });
  window.addEventListener("hashchange", show);
  show();
})();
