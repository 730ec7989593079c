#!/usr/bin/env python3
"""A manual page from a page of docs/, so that there is one text of each: headings, paragraphs, lists, definitions, tables
and indented code become man(7). `--before` and `--after` are files in that language, put in front of the page's first
heading and at its end.
"""
import argparse
import re


def plain(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def code(text):
    return "\\fB" + plain(text) + "\\fR"


def inline(text):
    parts = re.split(r"(`[^`]*`)", text)
    for number, part in enumerate(parts):
        if part.startswith("`") and len(part) > 1:
            parts[number] = code(part[1:-1])
            continue
        part = part.replace("\\", "\\e")
        part = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part)
        part = re.sub(r"\*\*([^*]+)\*\*", r"\\fB\1\\fR", part)
        parts[number] = re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"\\fI\1\\fR", part)
    line = "".join(parts)
    return "\\&" + line if line[:1] in ".'" else line


def cells(row):
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def table(rows):
    head, body = cells(rows[0]), [cells(row) for row in rows[2:]]
    out = []
    for row in body:
        out.append(".TP")
        if [name.lower() for name in head[:3]] == ["key", "type", "default"]:
            default = f"; default: {inline(row[2])}" if row[2] not in ("", "required") else f"; {row[2]}" if row[2] else ""
            out.append(f"{inline(row[0])} ({inline(row[1])}{default})")
            out.append(inline(row[3]) or "See above.")
        else:
            out.append(inline(row[0]))
            out.append(". ".join(inline(cell) for cell in row[1:] if cell) or "None.")
    return out


def convert(lines):
    out, index = [], 0
    while index < len(lines):
        line = lines[index]
        if not line.strip():
            index += 1
        elif line.startswith("# "):
            index += 1
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            title = line.lstrip("# ").replace("`", "")
            out.append(f'.SH "{plain(title).upper() if not title.startswith("[") else plain(title)}"' if level == 2 else f'.SS "{plain(title)}"')
            index += 1
        elif line.startswith("    "):
            out += [".PP", ".RS 4", ".nf"]
            while index < len(lines) and (lines[index].startswith("    ") or not lines[index].strip()):
                if not lines[index].strip() and not (index + 1 < len(lines) and lines[index + 1].startswith("    ")):
                    break
                text = plain(lines[index][4:])
                out.append("\\&" + text if text[:1] in ".'" else text)
                index += 1
            out += [".fi", ".RE"]
        elif line.startswith("|"):
            rows = []
            while index < len(lines) and lines[index].startswith("|"):
                rows.append(lines[index])
                index += 1
            out += table(rows)
        elif line.startswith("- "):
            text = line[2:]
            index += 1
            while index < len(lines) and lines[index].startswith("  "):
                text += " " + lines[index].strip()
                index += 1
            out += [".IP \\(bu 2", inline(text)]
        elif index + 1 < len(lines) and lines[index + 1].startswith(": "):
            text = lines[index + 1][2:]
            term, index = line, index + 2
            while index < len(lines) and lines[index].startswith("  "):
                text += " " + lines[index].strip()
                index += 1
            out += [".TP", inline(term), inline(text)]
        else:
            text = []
            while index < len(lines) and lines[index].strip() and not re.match(r"[#|]|- |    ", lines[index]):
                text.append(lines[index].strip())
                index += 1
            out += [".PP", inline(" ".join(text))]
    return out


def tidy(out):
    """No empty paragraph before a heading or a list, none after a heading."""
    kept = []
    for line in out:
        if line == ".PP" and kept and kept[-1].startswith((".SH", ".SS")):
            continue
        kept.append(line)
    return kept


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\n").split("\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    for name in ("name", "section", "version", "date", "what", "output"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--before")
    parser.add_argument("--after")
    asked = parser.parse_args()
    body = tidy(convert(read(asked.source)))
    first = next(number for number, line in enumerate(body) if line.startswith(".SH"))
    page = [f'.TH "{asked.name.upper()}" "{asked.section}" "{asked.date}" "baton {asked.version}" "Baton"', ".nh", '.SH "NAME"',
            f"{plain(asked.name)} \\- {plain(asked.what)}", *(read(asked.before) if asked.before else []), '.SH "DESCRIPTION"', *body[:first],
            *body[first:], *(read(asked.after) if asked.after else [])]
    out = "\n".join(tidy(page)) + "\n"
    for sign, escape in {"×": "\\(mu", "…": "...", "−": "\\-"}.items():
        out = out.replace(sign, escape)
    with open(asked.output, "w", encoding="utf-8") as file:
        file.write(out)


main()
