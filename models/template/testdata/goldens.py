# Writes goldens.jsonl.gz: what transformers makes of the templates of forms.py and kinds.py, and of small templates that
# a seeded generator puts together. Needs transformers 5 and jinja2; run: python goldens.py
# More of the last kind, in another file: python goldens.py made FIRST_SEED COUNT FILE, and TEMPLATE_GOLDENS=FILE go test.
#
# Each line is one template: {"kind", "name", "template", "rows": [[conversation, generate, variables, prompt or null, error]]}.
# The first line has what they share.
import datetime, gzip, json, os, random, re, sys
import transformers.utils.chat_template_utils as chat
from forms import FORMS
from kinds import EXPRESSIONS, LINES, TEMPLATES

here = os.path.dirname(os.path.abspath(__file__))
NOW = datetime.datetime(2031, 3, 4, 5, 6, 7, 89)

class Clock(datetime.datetime):
    @classmethod
    def now(cls):
        return NOW

chat.datetime = Clock

TOKENS = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": "<|endoftext|>"}
CONVERSATIONS = [
    [("user", "Hi")],
    [("system", "Be kind"), ("user", "Hi"), ("assistant", "Yo"), ("user", "What now?")],
    [("system", "Be brief.\n"), ("user", "  two\n\nlines \n")],
    [("user", "<|endoftext|><|im_end|> [/INST] </s>"), ("assistant", "<|endoftext|>"), ("user", "{{ 7 }} {% raw %}")],
    [("system", "naïve 你好 🏕️ \u00a0"), ("user", "'\"\\n<&>"), ("assistant", "\u2028 ÉCOLE ß\x85"), ("user", "\u3000日本\t")],
    [("user", ""), ("assistant", "Hello!"), ("user", "  ")],
    [("user", "a"), ("assistant", "<think>\nlet me see\n</think>\n\nThe answer is 4."), ("user", "<tool_response>4</tool_response>"), ("assistant", "<think>x</think>b")],
    [("developer", "Be exact"), ("user", "One fact /no_think"), ("assistant", "Yes.")],
    [("assistant", "Hello! How can I help you today, dear customer?")],
    [("user", "a"), ("user", "b")],
    [("user", "x"), ("assistant", "y"), ("tool", "42"), ("tool", "43"), ("assistant", "z"), ("user", "Danke\r\n\r\nschön")],
    [("system", "<<SYS>>"), ("user", ""), ("assistant", "")],
]
VARIABLES = [
    {},
    {"enable_thinking": False, "date_string": "1 Jan 2030", "thinking": True, "options": {"style": "<|im_end|>", "n": 3, "b": [1.5, None, True]}, "stops": ["x", "<s>"],
     "reasoning_effort": "high", "keep_past_thinking": True, "greeting": "Grüße"},
]

def render(template, conversation, generate, variables):
    messages = [{"role": r, "content": c} for r, c in conversation]
    try:
        out = chat.render_jinja_template([messages], chat_template=template, add_generation_prompt=generate, **{**TOKENS, **variables})
        if re.search(" at 0x[0-9a-f]+>", out[0][0]):
            return None, "an address is printed"
        return out[0][0], None
    except Exception as e:
        return None, type(e).__name__

def row(template, c, generate, v):
    prompt, error = render(template, CONVERSATIONS[c], generate, VARIABLES[v])
    return [c, generate, v, prompt, error]

def forms():
    for name in sorted(os.listdir(here)):
        path = os.path.join(here, name, "chat_template.jinja")
        if os.path.exists(path):
            with open(path, encoding="utf-8", newline="") as f:
                yield name, f.read()
    yield from FORMS.items()

# What stands before an expression of kinds.py.
HEAD = "{% set X = messages[0].content %}{% set L = ['b', X, 'Hi', 'a'] %}{% set D = {'b': X, 'a': 1, 'c': [X]} %}"

class Maker:
    """Puts small templates together: white space, tags, filters, tests."""
    def __init__(self, seed):
        self.r = random.Random(seed)

    def space(self):
        return self.r.choice(["", "", "", " ", " ", "\n", "\n  ", "  \n", "\t", " \n ", "x", " x ", "\nx\n", ".\n\n"])

    def tag(self, inner, comment=False):
        a, b = ("{#", "#}") if comment else ("{%", "%}")
        return a + self.r.choice(["", "", "", "-", "+"]) + " " + inner + " " + self.r.choice(["", "", "", "-", "+"]) + b

    def text(self, depth=0):
        r = self.r
        t = r.choice(["m.content", "m.content", "m.role", "'aB c'", "' x\\n'", "m['content']", "eos_token", "messages[0].content", "messages[-1]['content']", "'<' ~ m.role ~ '>'"])
        for _ in range(r.choice([0, 0, 1, 1, 2])):
            more = r.choice([" | trim", " | upper", ".strip()", " | lower", "[1:]", "[:4]", "[::-1]", " | replace('i', 'o')", " | title", ".split(' ')[0]", " | capitalize",
                ".rstrip()", ".lstrip('\\n')", " | default('d')", " | string", ".replace('a', '<a>')", " | indent(1)", ".split('</think>')[-1]", " | first", " | last", " | e",
                " | tojson", " | list | join('-')", " | join(',')", ".splitlines() | join('/')", ".title()", " | center(9)", ".removeprefix('H')", " | truncate(6)"])
            t = ("(%s)" % t if more[0] in ".[" and (" | " in t or " ~ " in t) or " ~ " in t else t) + more
        if depth < 2 and r.random() < .3:
            t = r.choice(["({} + {})", "({} ~ {})", "({} if loop.first else {})", "({} or {})", "[{}, {}] | join", "'%s:%s' % ({}, {})"]).format(self.text(depth + 1), self.text(depth + 1))
        return t

    def number(self, depth=0):
        r = self.r
        n = r.choice(["loop.index", "loop.index0", "loop.length", "loop.revindex", "1", "2", "3", "-1", "2.5", "messages | length", "m.content | length", "m.content.count('a')", "m.content.find('i')", "true"])
        if depth < 2 and r.random() < .5:
            op = r.choice("+ - * / // % ** + -".split())
            n = "(%s) %s (%s)" % (n, op, "2" if op == "**" else self.number(depth + 1))
        return n

    def test(self, depth=0):
        r = self.r
        t = r.choice(["m.role == 'user'", "m.role in ['user', 'system']", "loop.first", "loop.last", "not loop.last", "m.content", "m.content is string", "nosuch is defined",
            "m.name is defined", "m.content == 'Hi'", "m.content | length > 3", "'i' in m.content", "m.content.startswith('H')", "loop.index is odd", "loop.index0 % 2 == 0",
            "tools is none", "m is mapping", "m.content is lower", "m.content < 'I'", "add_generation_prompt", "nosuch", "m.content not in ['', 'a']", "loop.previtem", "loop.nextitem is defined",
            "(%s) > (%s)" % (self.number(), self.number())])
        if depth < 2 and r.random() < .3:
            t = r.choice(["{} and {}", "{} or {}", "not ({}) or {}", "({}) == ({})"]).format(t, self.test(depth + 1))
        return t

    def body(self, depth=0):
        r, out = self.r, self.space()
        for _ in range(r.choice([1, 1, 2, 3])):
            k = r.randrange(14 if depth < 3 else 6)
            if k < 3:
                out += "{{" + r.choice(["", "", "-"]) + " " + self.text() + " " + r.choice(["", "", "-"]) + "}}"
            elif k == 3:
                out += "{{ " + self.number() + " }}"
            elif k == 4:
                out += self.tag(r.choice(["c", "", "x\ny"]), comment=True)
            elif k == 5:
                out += self.tag("set v = " + self.text()) + self.space() + "{{ v }}"
            elif k < 9:
                out += self.tag("if " + self.test()) + self.body(depth + 1)
                if r.random() < .3:
                    out += self.tag("elif " + self.test()) + self.body(depth + 1)
                if r.random() < .5:
                    out += self.tag("else") + self.body(depth + 1)
                out += self.tag("endif")
            elif k < 11:
                over = r.choice(["[1, 2]", "range(3)", "m.content[:3]", "m.items()", "m.keys()", "messages | map(attribute='role')", "messages[1:]", "m.content.split()"])
                name = r.choice(["i", "j"])
                out += self.tag("for %s in %s%s" % (name, over, r.choice(["", "", " if %s is string" % name, " if loop.first"]))) + self.space() + "{{ %s }}" % name + self.body(depth + 1)
                if r.random() < .2:
                    out += self.tag("if " + self.test()) + self.tag(r.choice(["break", "continue"])) + self.tag("endif")
                if r.random() < .2:
                    out += self.tag("else") + self.space()
                out += self.tag("endfor")
            elif k == 11:
                out += self.tag("set w") + self.body(depth + 1) + self.tag("endset") + "{{ w" + r.choice(["", " | trim", " | length"]) + " }}"
            elif k == 12:
                out += self.tag("filter " + r.choice(["upper", "trim", "replace(' ', '_')", "indent(2)"])) + self.body(depth + 1) + self.tag("endfilter")
            else:
                out += self.tag("generation") + self.body(depth + 1) + self.tag("endgeneration")
            out += self.space()
        return out

    def template(self):
        return self.space() + self.tag("for m in messages") + self.body() + self.tag("endfor") + self.space() + self.tag("if add_generation_prompt") + "A:" + self.tag("endif") + self.space()

HEADER = {"tokens": TOKENS, "variables": VARIABLES, "now": NOW.isoformat(), "conversations": [[{"Role": r, "Content": c} for r, c in conv] for conv in CONVERSATIONS]}

def line(kind, name, template, rows):
    return {"kind": kind, "name": name, "template": template, "rows": [row(template, *r) for r in rows]}

def written():
    for name, template in forms():
        every = [(c, g, 0) for c in range(len(CONVERSATIONS)) for g in (False, True)]
        yield line("form", name, template, every + [(1, True, 1), (6, True, 1), (7, False, 1)])
    for e in EXPRESSIONS:
        yield line("kind", e, HEAD + "[{{ " + e + " }}]", [(c, True, 0) for c in (0, 2, 4, 5, 6, 8)])
    for t in TEMPLATES + LINES:
        yield line("kind", t, "{% set X = messages[0].content %}" + t if "X" in t else t, [(c, False, 0) for c in (0, 1, 2, 5)])

def made(seed, count):
    while count:
        one = line("made", "seed %d" % seed, Maker(seed).template(), [(0, True, 0), (1, False, 0), (4, True, 0), (6, True, 0)])
        if seed % 4 == 0 or all(r[4] is None for r in one["rows"]): # few of those that fail
            count -= 1
            yield one
        seed += 1

def write(path, lines):
    lines = [HEADER, *lines]
    with open(path, "wb") as out:
        with gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0, compresslevel=9) as f:
            for l in lines:
                f.write((json.dumps(l, ensure_ascii=False, separators=(",", ":")) + "\n").encode())
    for kind in ("form", "kind", "made"):
        rows = [r for l in lines[1:] if l["kind"] == kind for r in l["rows"]]
        print(kind, sum(l.get("kind") == kind for l in lines), "templates,", len(rows), "rows,", sum(r[4] is not None for r in rows), "errors")

if __name__ == "__main__":
    if sys.argv[1:2] == ["made"]:
        write(sys.argv[4], made(int(sys.argv[2]), int(sys.argv[3])))
    else:
        write(os.path.join(here, "goldens.jsonl.gz"), [*written(), *made(0, 700)])
