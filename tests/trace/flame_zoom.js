// SPDX-License-Identifier: ISC
// Put into a flame graph by test_flame.sh: uses it, and says how that went.
(() => {
	"use strict";
	const svg = document.documentElement;
	const frames = Array.from(svg.querySelectorAll(".chart > svg"));
	const input = svg.querySelector("input");
	const reset = svg.querySelector(".reset");
	const title = (el) => el.querySelector("title").textContent;
	const find = (name) => frames.find((el) => title(el).startsWith(name + " ("));
	const failures = [];

	function want(what, is, expected) {
		if (String(is) !== String(expected))
			failures.push(`${what}: ${is}, want ${expected}`);
	}
	function click(el) {
		el.dispatchEvent(new MouseEvent("click", { bubbles: true }));
	}
	function key(target, name) {
		target.dispatchEvent(new KeyboardEvent("keydown",
			{ key: name, bubbles: true, cancelable: true }));
	}
	const visible = () => frames.filter((el) => el.style.display !== "none")
		.map((el) => title(el).replace(/ \([^()]*\)$/, "")).join();
	const place = (el) => parseFloat(el.getAttribute("x")) + "+" +
		parseFloat(el.getAttribute("width"));
	function search(text) {
		input.value = text;
		input.dispatchEvent(new Event("input", { bubbles: true }));
		return svg.querySelector(".matched").textContent;
	}

	want("at first", visible(), "all,a,b,c,c,d,e<f>");
	want("reset at first", reset.style.display, "none");
	want("width", svg.getAttribute("width"), "100%");
	click(find("a"));
	want("zoom to a", visible(), "all,a,b,c");
	want("all", place(find("all")), "0+100");
	want("callers", svg.querySelectorAll(".caller").length, 1);
	want("a", place(find("a")), "0+100");
	want("b in a", place(find("b")), "0+25");
	want("c in a", place(find("c")), "25+50");
	want("reset", reset.style.display, "");
	click(find("c").querySelector("text"));
	want("zoom to c", visible(), "all,a,c");
	key(window, "Escape");
	want("escape", visible(), "all,a,b,c,c,d,e<f>");
	want("b again", place(find("b")), "0+10");
	click(find("d"));
	want("zoom to d", visible(), "all,c,d");
	click(reset);
	want("reset used", visible(), "all,a,b,c,c,d,e<f>");
	want("a with c in it, other c", search("^[ac]$"), "found: 70.00%");
	want("hits", svg.querySelectorAll(".hit").length, 3);
	want("special", search("<F>"), "found: 30.00%");
	want("none", search("nothing"), "found: 0.00%");
	want("no expression", /invalid|unterminated/i.test(search("(")), true);
	want("no search", search(""), "");
	want("no hits", svg.querySelectorAll(".hit, .searching").length, 0);
	key(window, "/");
	want("focus", document.activeElement === input, true);
	find("e<f>").dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
	want("detail", svg.querySelector(".detail").textContent,
	     "e<f> (30ns, 30.00%)");
	const result = document.createElementNS(svg.namespaceURI, "desc");
	result.textContent = "RESULT: " + (failures.join("; ") || "good");
	svg.append(result);
})();
