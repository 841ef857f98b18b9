// SPDX-License-Identifier: ISC
// Of flame graphs: zoom by click, search, and as wide as the window.
// The frames stand in the order of a depth-first walk, parents first.
(() => {
	"use strict";
	const svg = document.currentScript.ownerSVGElement;
	const chart = svg.querySelector(".chart");
	const detail = svg.querySelector(".detail");
	const matched = svg.querySelector(".matched");
	const reset = svg.querySelector(".reset");
	const NARROW = 24, MARGIN = 10;
	let focus = 0;

	const frames = Array.from(chart.children, (el) => {
		const title = el.querySelector("title").textContent;
		return {
			el, title,
			name: title.replace(/ \([^()]*\)$/, ""),
			x: parseFloat(el.getAttribute("x")),
			w: parseFloat(el.getAttribute("width")),
			level: -el.getAttribute("y"),
		};
	});

	function place(f, x, w) {
		f.el.style.display = "";
		f.el.setAttribute("x", x + "%");
		f.el.setAttribute("width", w + "%");
		f.el.classList.toggle("n", w * chart.width.baseVal.value / 100 < NARROW);
	}

	// The frame in focus has all the width, and so have its callers.
	function draw() {
		const at = frames[focus];
		let level = at.level, i;

		for (const f of frames)
			f.el.style.display = "none";
		for (i = focus - 1; i >= 0; i--) {
			if (frames[i].level < level) {
				level = frames[i].level;
				place(frames[i], 0, 100);
			}
		}
		place(at, 0, 100);
		for (i = focus + 1; i < frames.length && frames[i].level > at.level; i++)
			place(frames[i], (frames[i].x - at.x) / at.w * 100,
			      frames[i].w / at.w * 100);
		frames.forEach((f, n) => f.el.classList.toggle("caller", n < focus));
		reset.style.display = focus ? "" : "none";
	}

	function zoom(i) {
		focus = i;
		draw();
	}

	function resize() {
		chart.setAttribute("width", Math.max(svg.clientWidth - 2 * MARGIN, 200));
		draw();
	}

	// What is below a match counts once.
	function search(text) {
		let re = null, level = Infinity, sum = 0;

		try {
			re = text ? new RegExp(text, "i") : null;
		} catch (e) {
			matched.textContent = e.message;
			return;
		}
		for (const f of frames) {
			const hit = re !== null && re.test(f.name);

			f.el.classList.toggle("hit", hit);
			if (f.level <= level)
				level = Infinity;
			if (hit && level === Infinity) {
				level = f.level;
				sum += f.w;
			}
		}
		svg.classList.toggle("searching", re !== null);
		matched.textContent = re ? "found: " + sum.toFixed(2) + "%" : "";
	}

	function add_search() {
		const box = document.createElementNS(svg.namespaceURI, "foreignObject");
		const input = document.createElementNS("http://www.w3.org/1999/xhtml", "input");

		input.type = "search";
		input.placeholder = "search: regular expression  ( / )";
		input.setAttribute("aria-label", "Search functions by a regular expression");
		input.addEventListener("input", () => search(input.value));
		for (const [k, v] of [["x", "100%"], ["y", 8], ["width", 250], ["height", 28]])
			box.setAttribute(k, v);
		box.append(input);
		svg.append(box);
		return input;
	}

	if (!frames.length)
		return;
	const input = add_search();
	frames.forEach((f, i) => f.el.addEventListener("click", () => zoom(i)));
	const by_element = new Map(frames.map((f) => [f.el, f]));
	chart.addEventListener("mouseover", (e) => {
		const f = by_element.get(e.target.closest("svg.f"));

		detail.textContent = f ? f.title : "";
	});
	chart.addEventListener("mouseleave", () => { detail.textContent = ""; });
	reset.addEventListener("click", () => zoom(0));
	window.addEventListener("keydown", (e) => {
		if (e.key === "Escape")
			zoom(0);
		if (e.key === "/" && e.target !== input) {
			input.focus();
			e.preventDefault();
		}
	});
	window.addEventListener("resize", resize);
	svg.setAttribute("width", "100%");
	resize();
})();
