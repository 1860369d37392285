#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
"""The guide and the manual as a static site.

    scripts/site.py MAN OUT       MAN: what scripts/man.py wrote

docs/guide/README.md is the first page; the chapters are those of its numbered list.
Links are written for the sources (`channels.md`, `../engine.md`,
`../../include/belay/go.h`) and turned into links between pages.  Every page stands on
its own: one style sheet, no script, nothing from the network.  At the end every link
of every page is looked up.

Needs cmark-gfm and mandoc (scripts/deps.sh docs).
"""
import argparse
import html
import html.parser
import pathlib
import re
import shutil
import subprocess
import sys

import links
import man

GUIDE = man.ROOT / "docs" / "guide"
DEEPER = ("engine.md", "scheduler.md")
C_TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>&quot;(?:\\.|(?!&quot;).)*?&quot;"
    r"|&#x27;(?:\\.|[^\\\n])+?&#x27;|&lt;[\w/.]+\.h&gt;)|(?P<keyword>\b(?:%s)\b|^\s*#\s*\w+)"
    % "|".join("auto bool break case char const continue default do double else enum "
               "extern float for goto if inline int long return short signed sizeof "
               "static struct switch typedef union unsigned void volatile while "
               "size_t int64_t uint64_t "
               "bl_defer defer returns returns_nothing leave leave_with go".split()),
    re.S | re.M)
TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{up}style.css">
</head>
<body>
<a class="skip" href="#text">To the text</a>
<div class="page">
<div class="chapters"><nav aria-label="Chapters">
{nav}
</nav></div>
<main id="text"{css}>
{body}
{turn}
</main>
</div>
</body>
</html>
"""


class Page:
    def __init__(self, name, title, body, sections=(), is_manual=False):
        self.name, self.title, self.body = name, title, body
        self.sections, self.is_manual = sections, is_manual


# --- Markdown --------------------------------------------------------------------------


def chapter_files():
    """The guide's files in the order that its first page has."""
    first = GUIDE / "README.md"
    ordered = re.findall(r"^\d+\. \[.*?\]\(([\w-]+\.md)\)", first.read_text(), re.M)
    missing = {p.name for p in GUIDE.glob("*.md")} - {*ordered, "README.md"}
    if missing:
        sys.exit(f"docs/guide/README.md does not link to {', '.join(sorted(missing))}")
    return [first] + [GUIDE / name for name in ordered]


def page_name(path):
    return "index.html" if path.name == "README.md" else path.stem + ".html"


def target_of(target):
    """A link of the sources as one of the site; None: it leads out of it."""
    name, hash_, anchor = target.partition("#")
    header = re.fullmatch(r"(?:\.\./)*include/belay/(\w+)\.h", name)
    if header:
        return f"man/belay_{header[1]}.7.html"
    if name in ("../README.md", "README.md"):
        return "index.html" + hash_ + anchor
    if re.fullmatch(r"(?:\.\./|guide/)?[\w-]+\.md", name):
        return pathlib.PurePath(name).stem + ".html" + hash_ + anchor
    return None if name and not name.startswith("https:") else target


def prepare(path):
    """The source as the renderer wants it."""
    text = re.sub(r"<!--.*?-->\n?", "", path.read_text(), flags=re.S)

    def turn(match):
        to = target_of(match[1])
        if to is None:
            sys.exit(f"{path.name}: {match[1]} is not a part of the site")
        return match[0][:match.start(1) - match.start()] + to + ")"
    return links.LINK.sub(turn, text)


def colour(match):
    kind = match.lastgroup
    return f'<span class="c-{kind}">{match[0]}</span>'


def finish(body):
    """What the renderer leaves to do."""
    body = re.sub(r'(<code class="language-c">)(.*?)(</code>)',
                  lambda m: m[1] + C_TOKEN.sub(colour, m[2].replace("'", "&#x27;")) + m[3],
                  body, flags=re.S)
    body = body.replace('<pre><code class="language-text">',
                        '<pre class="prints"><code class="language-text">')
    body = re.sub(r'<(h[23]) id="([^"]*)">(.*?)</\1>',
                  r'<\1 id="\2">\3<a class="here" href="#\2" aria-label="Link to here">'
                  r'#</a></\1>', body)
    body = re.sub(r"<table>.*?</table>", r'<div class="wide">\g<0></div>', body,
                  flags=re.S)
    return body


def render(path):
    """One file as a page."""
    done = subprocess.run(["cmark-gfm", "--extension", "table"], input=prepare(path),
                          capture_output=True, text=True, check=True)
    sections = []

    def with_id(match):
        level, title = match[1], match[2]
        at = links.slug(html.unescape(re.sub(r"<[^>]*>", "", title)))
        if level == "2":
            sections.append((at, re.sub(r"<[^>]*>", "", title)))
        return f'<h{level} id="{at}">{title}</h{level}>'

    body = re.sub(r"<h([1-6])>(.*?)</h\1>", with_id, done.stdout)
    title = re.sub(r"<[^>]*>", "", re.search(r"<h1[^>]*>(.*?)</h1>", body)[1])
    return Page(page_name(path), html.unescape(title), finish(body), sections)


# --- manual ------------------------------------------------------------------------------


def manual_page(path):
    """A page of the manual, by mandoc; a link becomes its target."""
    source = path
    match = re.match(r"\.so (\S+)", path.read_text())
    if match:
        source = path.parent.parent / match[1]
    done = subprocess.run(["mandoc", "-Thtml", "-Ofragment,man=%N.%S.html,includes=%I",
                           source], capture_output=True, text=True, check=True)
    body = re.sub(r'href="belay/(\w+)\.h"',
                  lambda m: f'href="belay_{m[1]}.7.html"', done.stdout)
    for special in ("config", "keywords", "belay"):
        body = body.replace(f'href="belay_{special}.7.html"', 'href="belay.7.html"')
    # pages of the system's: not ours to show
    body = re.sub(r'<a class="Xr" href="([^"]*)">(.*?)</a>',
                  lambda m: m[0] if re.match(r"(bl_|belay)", m[1]) else m[2], body,
                  flags=re.S)
    return Page(f"man/{path.name}.html", f"{path.stem}({path.suffix[1:]})", body,
                is_manual=True)


def manual_index(headers, keywords):
    """All names, by header."""
    short = {}
    for name, full in keywords.items():
        short.setdefault(full, name)
    out = ["<h1>Reference</h1>", "<p>Made from the comments of the headers; the same "
           "pages are installed for <code>man</code>.  Of the command: "
           '<a href="belay.1.html">belay(1)</a>.</p>']
    for header in headers:
        out.append(f'<h2 id="{header.name[:-2]}"><a href="{header.page}.7.html">'
                   f"belay/{header.name}</a></h2>")
        out.append('<div class="wide"><table><tbody>')
        for group in header.groups:
            names = list(dict.fromkeys(m.name for m in group.members))
            cells = [f'<a href="{n}.3.html"><code>{n}</code></a>' for n in names]
            also = [f"<code>{short[n]}</code>" for n in names if n in short]
            what = html.escape(man.one_line(group))
            out.append(f"<tr><td>{'<br>'.join(cells)}</td><td>{'<br>'.join(also)}</td>"
                       f"<td>{what}</td></tr>")
        out.append("</tbody></table></div>")
    return Page("man/index.html", "Reference", "\n".join(out))


# --- pages -------------------------------------------------------------------------------


def navigation(current, guide, deeper, headers, up):
    def item(page, title=None):
        here = ' aria-current="page"' if page.name == current.name else ""
        link = f'<a href="{up}{page.name}"{here}>{html.escape(title or page.title)}</a>'
        if not here or not page.sections:
            return f"<li>{link}</li>"
        inner = "".join(f'<li><a href="#{i}">{t}</a></li>' for i, t in page.sections)
        return f"<li>{link}<ul>{inner}</ul></li>"

    out = [f'<a class="name" href="{up}index.html">Belay</a>', "<p>Guide</p><ul>"]
    out += [item(p) for p in guide[1:]] + ["</ul><p>How it works</p><ul>"]
    out += [item(p) for p in deeper] + ["</ul><p>Reference</p><ul>"]
    out += [item(Page("man/index.html", "All names", ""))]
    out += [item(Page(f"man/{h.page}.7.html", f"belay/{h.name}", "")) for h in headers]
    return "\n".join(out) + "</ul>"


def turns(page, order):
    """To the page before and the one behind."""
    if page not in order:
        return ""
    at = order.index(page)
    before = order[at - 1] if at > 0 else None
    behind = order[at + 1] if at + 1 < len(order) else None
    cell = [f'<a href="{p.name}" rel="{rel}">{html.escape(text.format(p.title))}</a>'
            if p else "<span></span>"
            for p, rel, text in ((before, "prev", "← {}"), (behind, "next", "{} →"))]
    return f'<div class="turn">{cell[0]}{cell[1]}</div>'


def write_site(out, guide, deeper, manual, headers):
    shutil.rmtree(out, ignore_errors=True)
    (out / "man").mkdir(parents=True)
    shutil.copy(man.ROOT / "docs" / "site" / "style.css", out)
    for page in guide + deeper + manual:
        up = "../" if page.name.startswith("man/") else ""
        title = page.title if page.title == "Belay" else f"{page.title} - Belay"
        (out / page.name).write_text(TEMPLATE.format(
            title=html.escape(title), up=up, body=page.body,
            css=' class="man"' if page.is_manual else "",
            nav=navigation(page, guide, deeper, headers, up),
            turn=turns(page, guide + deeper)))


# --- links of what was written -------------------------------------------------------------


class Anchors(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.targets = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "src"):
                self.targets.append(value)


def read_anchors(out):
    pages = {}
    for path in out.rglob("*.html"):
        pages[path.resolve()] = parser = Anchors()
        parser.feed(path.read_text())
    return pages


def broken_links(out):
    """(how many were looked up, complaints)"""
    pages, count, bad = read_anchors(out), 0, []
    for path, parser in pages.items():
        name = path.relative_to(out.resolve())
        bad += [f"{name}: id {i} twice" for i in set(parser.ids)
                if parser.ids.count(i) > 1]
        for target in parser.targets:
            count += 1
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            to = (path.parent / file).resolve() if file else path
            if not to.is_file():
                bad.append(f"{name}: {target}: there is no such page")
            elif anchor and anchor not in pages[to].ids:
                bad.append(f"{name}: {target}: there is no such place")
    return count, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("man", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    for tool in ("cmark-gfm", "mandoc"):
        if not shutil.which(tool):
            sys.exit(f"site.py: {tool} is missing: scripts/deps.sh docs")
    headers, keywords = man.read_headers(), man.read_keywords()
    guide = [render(path) for path in chapter_files()]
    deeper = [render(man.ROOT / "docs" / name) for name in DEEPER]
    manual = [manual_index(headers, keywords)]
    manual += [manual_page(p) for p in sorted(options.man.glob("man?/b*_*.[37]"))]
    manual += [manual_page(options.man / "man7" / "belay.7"),
               manual_page(options.man / "man1" / "belay.1")]
    write_site(options.out, guide, deeper, manual, headers)
    count, bad = broken_links(options.out)
    for line in bad:
        print(line, file=sys.stderr)
    pages = len(guide + deeper + manual)
    print(f"{count} checked: links of {pages} pages in {options.out}, {len(bad)} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
