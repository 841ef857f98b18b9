# SPDX-License-Identifier: ISC
"""tests/trace/flame.py - what a flame graph shows, as text

	python3 flame.py FILE...

For each frame, parents first, a line "STACK WEIGHT PERCENT" with names
separated by ";".  Fails if the file is no XML, if a frame is not wholly above
its parent, if two beside each other overlap or are not in the order of their
names, or if they do not come in the order that the script relies on.
"""
import re
import sys
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
ROUNDED = 2e-6  # of percents with 6 digits


def percent(text):
    assert text.endswith("%"), text
    return float(text[:-1])


def frames(root):
    for el in root.find(SVG + "svg[@class='chart']"):
        assert el.tag == SVG + "svg" and el.get("class").startswith("f k")
        title = el.find(SVG + "title").text
        name, weight, share = re.fullmatch(
            r"(.*) \(([^()]*), ([0-9.]+)%\)", title, re.S).groups()
        x, w = percent(el.get("x")), percent(el.get("width"))
        assert abs(w - float(share)) < 0.0051, title
        assert (el.find(SVG + "text").text or "") == name[:200], title
        yield int(el.get("y")), x, w, name, weight, share


def show(file):
    root = ET.parse(file).getroot()
    assert root.tag == SVG + "svg"
    path = []   # of (y, x, end, name), with where the next child may begin
    for y, x, w, name, weight, share in frames(root):
        while path and path[-1]["y"] <= y:
            path.pop()
        if path:
            up = path[-1]
            assert up["y"] - y == 17, (name, y)
            assert x >= up["free"] - ROUNDED, (name, x)
            assert x + w <= up["end"] + ROUNDED, (name, x, w)
            assert up["last"] is None or name.encode() > up["last"], name
            up["free"], up["last"] = x + w, name.encode()
        path.append({"y": y, "free": x, "end": x + w, "last": None,
                     "name": name})
        print(";".join(p["name"] for p in path), weight, share)
    assert root.findall(SVG + "script")[0].text.strip()


for name in sys.argv[1:]:
    show(name)
